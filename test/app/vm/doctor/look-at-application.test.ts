import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { lookAtApplication } from "../../../../src/app/vm/doctor/look-at-application.ts";
import { parseHostPort } from "../../../../src/mesh/address.ts";

test("lookAtApplication() warns of an application that takes no connection where its sidecar hands them over", async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const app = parseHostPort(`127.0.0.1:${port}`);
  const inbound = [{ app, endpoint: app, listen: app }];
  const [alive] = await lookAtApplication(inbound);
  assert.deepEqual([alive?.code, alive?.state], ["VM_APPLICATION", "ok"]);
  server.close();
  await once(server, "close");
  const [dead] = await lookAtApplication(inbound);
  assert.equal(dead?.state, "warning");
  assert.match(`${dead.subject} ${dead.found}`, new RegExp(`:${port} .*ECONNREFUSED`));
});
