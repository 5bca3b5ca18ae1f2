import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { pinnedAgent } from "../../../src/app/join/pinned-agent.ts";
import type { HostPort } from "../../../src/mesh/address.ts";
import { parseTrustDomain } from "../../../src/mesh/ids.ts";
import { registerBundle } from "../../../src/proxy/io/identity/bundle-service.ts";
import { parseBundle } from "../../../src/trust/bundle.ts";
import { agentId, startAgent } from "../../proxy/io/fixture.ts";
import { madeRoot } from "../../trust/made.ts";

type Agent = Awaited<ReturnType<typeof startAgent>>;

function agentSaying(answer: {
  readonly roots?: (agent: Agent) => readonly Uint8Array[];
  readonly agentId?: string;
}): Promise<Agent> {
  const holder: { agent?: Agent } = {};
  return startAgent({
    registerUnproven: (grpc) =>
      registerBundle(grpc, () => {
        const agent = holder.agent;
        if (agent === undefined) throw new Error("too early");
        const own = [agent.mesh.root.certificate.der];
        return { bundle: answer.roots?.(agent) ?? own, agentId: answer.agentId ?? agentId };
      }),
  }).then((agent) => {
    holder.agent = agent;
    return agent;
  });
}

type Pin = Parameters<typeof pinnedAgent>[1]["token"];

const trustDomain = parseTrustDomain("east.acme.mesh");
const strange: Pin = { rootSpkiSha256: "ab".repeat(32), trustDomain };

function tokenOf({ mesh }: Agent): Pin {
  return { rootSpkiSha256: mesh.root.certificate.spkiSha256, trustDomain };
}

describe("pinnedAgent()", () => {
  test("gives the root that the token names, of all that the agent trusts, and who the agent is", async () => {
    const other = await madeRoot(Date.now());
    await using agent = await agentSaying({
      roots: ({ mesh }) => [other.certificate.der, mesh.root.certificate.der],
    });
    const found = await pinnedAgent(agent.server.address, { token: tokenOf(agent) });
    assert.equal(found.agentId, agentId);
    assert.equal(found.trustDomain, "east.acme.mesh");
    assert.deepEqual(
      parseBundle(found.bundlePem).roots.map((root) => root.sha256),
      [agent.mesh.root.certificate.sha256],
    );
  });

  const mismatches = {
    "an agent of another mesh": { token: strange },
    "another member's agent": { agentId: "spiffe://west.acme.mesh/isthmus/agent" },
    "one that says to be a workload": { agentId: "spiffe://east.acme.mesh/ns/shop/sa/cart" },
    "one that says to be no SPIFFE ID": { agentId: "https://east.acme.mesh/isthmus/agent" },
    "one that trusts nobody": { roots: () => [] },
    "one whose roots are no certificates": { roots: () => [Buffer.from("root")] },
  };
  for (const [what, { token, ...answer }] of Object.entries<{
    readonly token?: Pin;
    readonly agentId?: string;
    readonly roots?: () => readonly Uint8Array[];
  }>(mismatches)) {
    test(`refuses ${what}`, async () => {
      await using agent = await agentSaying(answer);
      await assert.rejects(pinnedAgent(agent.server.address, { token: token ?? tokenOf(agent) }), {
        code: "MESH_JOIN_ROOT_MISMATCH",
      });
    });
  }

  test("says MESH_UNREACHABLE where nobody is, or somebody who is no agent", async () => {
    const token = strange;
    const mute = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    mute.listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    const bound = mute.address();
    assert.ok(typeof bound === "object" && bound !== null);
    const agent: HostPort = { host: "127.0.0.1", port: bound.port };
    try {
      await assert.rejects(pinnedAgent(agent, { token }), { code: "MESH_UNREACHABLE" });
    } finally {
      mute.close();
    }
    await assert.rejects(pinnedAgent(agent, { token }), { code: "MESH_UNREACHABLE" });
  });
});
