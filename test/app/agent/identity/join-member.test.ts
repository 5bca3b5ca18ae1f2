import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { joinMember } from "../../../../src/app/join/show-token.ts";
import { callAgent } from "../../../../src/app/launcher/agent-call.ts";
import { spiffeIdOf } from "../../../../src/app/launcher/spiffe-id-of.ts";
import { openAgentChannel } from "../../../../src/dataplane/io/agent-channel.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import {
  infrastructureSpiffeId,
  parseMemberName,
  parseNetworkName,
} from "../../../../src/mesh/ids.ts";
import type { Identity } from "../../../../src/mesh/ports.ts";
import type { Secret } from "../../../../src/mesh/secret.ts";
import type { MemberRequest } from "../../../../src/proxy/identity/member-desk.ts";
import { createCsr } from "../../../../src/trust/csr.ts";
import { loadIdentity } from "../../../../src/trust/io/identity-store.ts";
import { newPrivateKey } from "../../../../src/trust/io/new-key.ts";
import { holdIdentity } from "../../../../src/trust/io/renewal.ts";
import { issueWorkload } from "../../../../src/trust/io/trust-files.ts";
import type { JoinGrant } from "../../../../src/trust/join/join-grant.ts";
import {
  decodeJoinMemberResponse,
  encodeJoinMemberRequest,
  type JoinMemberResponse,
  joinMemberPath,
} from "../../../../src/xds/joining.ts";
import { type IdentityAgent, makeTrust, startIdentityAgent } from "./identity-agent.ts";

const answer: JoinMemberResponse = {
  chain: [Uint8Array.of(1), Uint8Array.of(2)],
  bundle: [Uint8Array.of(3)],
  charter: { bytes: Uint8Array.of(4), signature: Uint8Array.of(5), signer: "ab".repeat(32) },
};
const grant: JoinGrant = {
  t: "member",
  claims: {
    name: parseMemberName("north"),
    cloud: "gcp",
    region: "europe-north1",
    network: parseNetworkName("north"),
    gatewayRanges: ["10.3.0.0/16"],
    mayExport: ["shop"],
  },
};

let trust: Awaited<ReturnType<typeof makeTrust>>;
before(async () => {
  trust = await makeTrust();
});
after(async () => await trust[Symbol.asyncDispose]());

/** An agent whose signer remembers what it was asked. */
async function signingAgent(state: string, asked: MemberRequest[] = []): Promise<IdentityAgent> {
  const admit = async (request: MemberRequest): Promise<JoinMemberResponse> => {
    asked.push(request);
    return answer;
  };
  return await startIdentityAgent(trust.dir, { state, admit });
}

interface Ask {
  readonly token: Secret;
  readonly csr?: Uint8Array;
  readonly member?: string;
}

async function outcomeOf(agent: IdentityAgent, ask: Ask): Promise<string> {
  const csr = createCsr(newPrivateKey());
  return await codeOf(joinMember({ agents: [agent.address], csr, rounds: 1, ...ask }));
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "joined";
  } catch (thrown) {
    if (thrown instanceof MeshError) return thrown.code;
    throw thrown;
  }
}

describe("a member with a join token", () => {
  test("is admitted with the claims of its token, whatever its CSR says, and told the charter", async () => {
    const asked: MemberRequest[] = [];
    await using agent = await signingAgent("claims", asked);
    const { text } = await agent.makeToken({ grant });
    const csr = createCsr(newPrivateKey());
    const joined = await joinMember({ agents: [agent.address], token: text, csr, member: "north" });
    assert.deepEqual(plain(joined.answer), plain(answer));
    assert.deepEqual(
      asked.map(({ csr: bytes, ...rest }) => ({ ...rest, csr: Buffer.from(bytes).equals(csr) })),
      [{ t: "join", claims: grant.claims, csr: true }],
    );
  });

  test("is refused where it takes itself for another, or its token is for a VM, or was used", async () => {
    await using agent = await signingAgent("refusals");
    const { text } = await agent.makeToken({ grant });
    const vm = await agent.makeToken();
    assert.equal(
      await outcomeOf(agent, { token: text, member: "south" }),
      "MESH_JOIN_TOKEN_SUBJECT",
    );
    assert.equal(await outcomeOf(agent, { token: vm.text }), "MESH_JOIN_TOKEN_SUBJECT");
    const csr = Buffer.from("no CSR");
    assert.equal(await outcomeOf(agent, { token: text, csr }), "MESH_TRUST_CSR_REFUSED");
    assert.equal(await outcomeOf(agent, { token: text }), "joined");
    assert.equal(await outcomeOf(agent, { token: text }), "MESH_JOIN_TOKEN_USED");
  });

  test("is told by an agent without the root whom to ask, and keeps its token", async () => {
    await using without = await startIdentityAgent(trust.dir, { state: "shared" });
    const { text } = await without.makeToken({ grant });
    assert.equal(await outcomeOf(without, { token: text }), "MESH_TRUST_SIGNER_MISSING");
    await using signing = await signingAgent("shared");
    const agents = [without.address, signing.address];
    const csr = createCsr(newPrivateKey());
    assert.equal(await codeOf(joinMember({ agents, csr, token: text })), "joined");
  });

  test("may ask again when signing failed: its use is its key's", async () => {
    let isBroken = true;
    await using agent = await startIdentityAgent(trust.dir, {
      state: "retry",
      admit: async () => {
        if (isBroken) throw new Error("the token reader /dev/hsm0 is away");
        return answer;
      },
    });
    const { text } = await agent.makeToken({ grant });
    const csr = createCsr(newPrivateKey());
    const asking = joinMember({ agents: [agent.address], token: text, csr });
    await assert.rejects(asking, (thrown: unknown) => {
      assert.ok(thrown instanceof MeshError);
      assert.equal(thrown.code, "MESH_INTERNAL");
      return !thrown.message.includes("hsm0");
    });
    isBroken = false;
    assert.equal(await outcomeOf(agent, { token: text, csr }), "joined");
  });

  test("waits when its address asks again and again", async () => {
    await using agent = await signingAgent("pace");
    const { text } = await agent.makeToken({ grant });
    const outcomes: string[] = [];
    for (let round = 0; round < 21; round += 1) {
      outcomes.push(await outcomeOf(agent, { token: text, member: "south" }));
    }
    assert.equal(outcomes.at(-2), "MESH_JOIN_TOKEN_SUBJECT");
    assert.equal(outcomes.at(-1), "MESH_XDS_LIMIT");
  });
});

describe("a member without a token", () => {
  async function renew(agent: IdentityAgent, identity: Identity, member = ""): Promise<string> {
    const client = openAgentChannel({
      agent: agent.address,
      agentId: agent.trust.agentId,
      identity: holdIdentity(identity),
      spiffeIdOf,
    });
    const request = { csr: createCsr(newPrivateKey()), token: undefined, member };
    return await codeOf(
      callAgent(
        { agent: agent.address, client },
        {
          path: joinMemberPath,
          encode: encodeJoinMemberRequest,
          decode: decodeJoinMemberResponse,
          request,
          what: "join",
        },
      ),
    );
  }

  test("renews as the member whose agent it is, and as no other", async () => {
    const asked: MemberRequest[] = [];
    await using agent = await signingAgent("renewal", asked);
    await using west = await startIdentityAgent(trust.dir, { member: "west", state: "west" });
    const identity = west.trust.identities.agent.current();
    assert.equal(identity.id, infrastructureSpiffeId(west.trust.view().ownTrustDomain, "agent"));
    assert.equal(await renew(agent, identity), "joined");
    assert.equal(await renew(agent, identity, "west"), "joined");
    assert.equal(await renew(agent, identity, "east"), "MESH_TRUST_ISSUE_REFUSED");
    const members = asked.map((request) => request.t === "renew" && request.member);
    assert.deepEqual(members, ["west", "west"]);
  });

  test("gets nothing by the certificate of a workload or of the catalog, or by none", async () => {
    const asked: MemberRequest[] = [];
    await using agent = await signingAgent("others", asked);
    const out = join(trust.dir, "svid");
    const account = { namespace: "shop", serviceAccount: "cart" };
    await issueWorkload({ dir: join(trust.dir, "west"), out, account, nowMs: Date.now() });
    assert.equal(await renew(agent, await loadIdentity(out)), "MESH_TRUST_ISSUE_REFUSED");
    await using west = await startIdentityAgent(trust.dir, { member: "west", state: "west" });
    const catalog = west.trust.identities.catalog.current();
    assert.equal(await renew(agent, catalog), "MESH_TRUST_ISSUE_REFUSED");
    const bundlePem = agent.trust.charter().bundle.pem;
    const { agentId } = agent.trust;
    const target = { agent: agent.address, agentId, identity: { bundlePem }, spiffeIdOf };
    const nobody = callAgent(
      { agent: agent.address, client: openAgentChannel(target) },
      {
        path: joinMemberPath,
        encode: encodeJoinMemberRequest,
        decode: decodeJoinMemberResponse,
        request: { csr: createCsr(newPrivateKey()), token: undefined, member: "west" },
        what: "join",
      },
    );
    assert.equal(await codeOf(nobody), "MESH_TRUST_ISSUE_REFUSED");
    assert.deepEqual(asked, []);
  });
});

/** Bytes of the wire are buffers, those of a test are not. */
function plain({ chain, bundle, charter }: JoinMemberResponse): object {
  const list = (all: readonly Uint8Array[]): readonly (readonly number[])[] =>
    all.map((bytes) => [...bytes]);
  const { bytes, signature, signer } = charter;
  return {
    chain: list(chain),
    bundle: list(bundle),
    charter: { bytes: [...bytes], signature: [...signature], signer },
  };
}
