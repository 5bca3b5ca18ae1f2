import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { run } from "./fake-terminal.ts";

const hidden = /[\p{Cf}\u007f-\u009f\u2028\u2029]/u;

for (const command of [
  "status",
  "services",
  "endpoints shop/cart",
  "members",
  "proxy list",
  "proxy config sidecar/shop/cart/0",
  "top --once",
]) {
  test(`nor does its JSON: isthmus ${command} --json`, async () => {
    const said = { zone: "a\u009b2J\u202e", resources: [], members: ["\u009b2J"], ports: [] };
    const server = createServer((_request, response) => response.end(JSON.stringify(said)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { out } = await run([...command.split(" "), "--agent", url, "--json"]);
      assert.notEqual(out, "");
      assert.doesNotMatch(out, hidden);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
}

test("what others said to an agent steers no terminal", async () => {
  const message = 'record "\u001b]0;owned\u0007\u202e" is too large\nof its member';
  const findings = [{ code: "CATALOG_SHARD_UNFIT", severity: "warning", subject: "west", message }];
  const server = createServer((_request, response) => {
    response.end(JSON.stringify({ findings }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { out } = await run(["check", "--agent", url]);
    assert.match(out, /record "\\u\{1b\}\]0;owned\\u\{7\}\\u\{202e\}" is too large\nof its member/);
    const json = await run(["check", "--agent", url, "--json"]);
    assert.deepEqual(JSON.parse(json.out), { findings }, "programs get it as it is");
    assert.doesNotMatch(json.out, hidden);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
