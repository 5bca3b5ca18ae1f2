import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { GatewayAnnouncer } from "../../../../src/app/launcher/gateway-announcer.ts";
import { infrastructureSpiffeId, parseSpiffeId, spiffePartsOf } from "../../../../src/mesh/ids.ts";
import { loadIdentity } from "../../../../src/trust/io/identity-store.ts";
import { holdIdentity } from "../../../../src/trust/io/renewal.ts";
import { freePorts } from "../../support/free-port.ts";
import { silentLog, startMember, TestMesh } from "../../support/test-mesh.ts";

test("only a gateway of the member is heard, and only about the member's own addresses", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const east = await startMember(mesh, "east", "us-east-1");
  const { trustDomain } = spiffePartsOf(parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent"));
  const agentId = infrastructureSpiffeId(trustDomain, "agent");
  const [strange = 0] = await freePorts(1);
  const leave = async (dir: readonly string[]): Promise<string> => {
    using announcer = new GatewayAnnouncer({
      agents: [east.agent.xds],
      agentId,
      identity: holdIdentity(await loadIdentity(join(mesh.dir, ...dir))),
      address: { host: "127.0.0.1", port: strange },
      instance: "test",
      log: silentLog,
    });
    const farewell = await announcer.leave(100);
    return farewell.t === "unreachable" ? farewell.reason : farewell.t;
  };
  assert.match(await leave(["east", "cart-east"]), /only gateways of this member/);
  // Another member's proxies do not even get through the handshake.
  assert.match(await leave(["west", "gateway"]), /UNAVAILABLE/);
  assert.equal(await leave(["east", "gateway"]), "not-needed");
});
