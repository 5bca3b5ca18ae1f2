import assert from "node:assert/strict";
import { test } from "node:test";
import { Neighbours } from "../../../../src/app/agent/core/neighbours.ts";
import type { MemberRecord } from "../../../../src/discovery/shards/records.ts";
import { schemas } from "../../../../src/discovery/shards/records.ts";
import { parseSpiffeId } from "../../../../src/mesh/ids.ts";
import { holdIdentity } from "../../../../src/trust/io/renewal.ts";
import { identityOf } from "../../../proxy/io/fixture.ts";
import { east, madeMesh, west } from "../../../trust/made.ts";
import { freePorts } from "../../support/free-port.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

test("what probes said of an address is forgotten when its member withdraws it", async () => {
  const mesh = await madeMesh(Date.now());
  const id = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");
  const [port = 1] = await freePorts(1);
  const withGateway: MemberRecord = {
    t: "member",
    software: "1.0.0",
    schemas,
    gateways: [{ host: "127.0.0.1", port }],
  };
  let record = withGateway;
  const fallen = Promise.withResolvers<void>();
  using neighbours = new Neighbours({
    self: east,
    charter: () => mesh.charter.charter,
    recordOf: () => record,
    checkClaim: () => ({ t: "ok" }),
    identity: holdIdentity(await identityOf(mesh.east, { mesh, id })),
    verifyPeer: () => ({ t: "refused", reason: "nobody is known" }),
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: () => 0,
    log: quiet,
    expireAfterMs: 60_000,
    onChange: () => {
      if (neighbours.gatewaysOf(west)[0]?.isAlive === false) fallen.resolve();
    },
  });
  neighbours.refresh();
  await fallen.promise;
  record = { ...withGateway, gateways: [] };
  neighbours.refresh();
  assert.deepEqual(neighbours.gatewaysOf(west), []);
  record = withGateway;
  neighbours.refresh();
  assert.deepEqual(neighbours.gatewaysOf(west), [{ address: "127.0.0.1", port, isAlive: true }]);
});
