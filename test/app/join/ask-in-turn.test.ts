import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { askInTurn } from "../../../src/app/join/ask-in-turn.ts";
import { type ErrorCode, MeshError } from "../../../src/mesh/errors.ts";
import { parseTrustDomain } from "../../../src/mesh/ids.ts";
import type { Secret } from "../../../src/mesh/secret.ts";
import { registerBundle } from "../../../src/proxy/io/identity/bundle-service.ts";
import { joinTokenText } from "../../../src/trust/join/join-token.ts";
import { agentId, startAgent } from "../../proxy/io/fixture.ts";

type Agent = Awaited<ReturnType<typeof startAgent>>;

async function bundleAgent(): Promise<Agent> {
  const holder: { agent?: Agent } = {};
  const agent = await startAgent({
    registerUnproven: (grpc) =>
      registerBundle(grpc, () => ({
        bundle: holder.agent === undefined ? [] : [holder.agent.mesh.root.certificate.der],
        agentId,
      })),
  });
  holder.agent = agent;
  return agent;
}

function tokenFor({ mesh }: Agent): Secret {
  return joinTokenText({
    random: Buffer.alloc(40, 7),
    rootSpkiSha256: mesh.root.certificate.spkiSha256,
    trustDomain: parseTrustDomain("east.acme.mesh"),
  });
}

/** How often an agent that answers so is asked, and what comes of it. */
async function askedOf(
  answers: readonly (ErrorCode | "taken")[],
  rounds?: number,
): Promise<readonly [number, string]> {
  await using agent = await bundleAgent();
  const left = [...answers];
  let asked = 0;
  const asking = askInTurn(
    {
      agents: [agent.server.address],
      token: tokenFor(agent),
      ...(rounds === undefined ? {} : { rounds }),
    },
    async () => {
      asked += 1;
      const answer = left.shift() ?? answers.at(-1) ?? "taken";
      if (answer === "taken") return answer;
      throw new MeshError(answer, "Cannot: it is so");
    },
  );
  const outcome = await asking.then(
    ({ answer }) => answer,
    (thrown: unknown) => (thrown instanceof MeshError ? thrown.code : String(thrown)),
  );
  return [asked, outcome];
}

describe("askInTurn()", () => {
  test("takes a refusal for an answer", async () => {
    for (const code of [
      "MESH_JOIN_TOKEN_USED",
      "MESH_JOIN_TOKEN_EXPIRED",
      "MESH_TRUST_CSR_REFUSED",
    ] as const) {
      assert.deepEqual(await askedOf([code]), [1, code]);
    }
  });

  test("comes again while it is told to wait, or that another has the token", async () => {
    const answers = ["MESH_XDS_LIMIT", "MESH_JOIN_TOKEN_ELSEWHERE", "taken"] as const;
    assert.deepEqual(await askedOf(answers), [3, "taken"]);
    assert.deepEqual(await askedOf(["MESH_JOIN_TOKEN_ELSEWHERE"], 4), [
      4,
      "MESH_JOIN_TOKEN_ELSEWHERE",
    ]);
  });

  test("does not ask again where asking again changes nothing", async () => {
    for (const code of [
      "MESH_TRUST_SIGNER_MISSING",
      "MESH_INTERNAL",
      "MESH_UNREACHABLE",
    ] as const) {
      assert.deepEqual(await askedOf([code]), [1, code]);
    }
  });

  test("says what somebody said rather than that another was silent", async () => {
    await using agent = await bundleAgent();
    const nobody = { host: "127.0.0.1", port: 1 };
    const asking = askInTurn(
      { agents: [agent.server.address, nobody], token: tokenFor(agent) },
      () => Promise.reject(new MeshError("MESH_TRUST_SIGNER_MISSING", "Cannot: it is so")),
    );
    await assert.rejects(asking, { code: "MESH_TRUST_SIGNER_MISSING" });
  });

  test("ends at once when its signal does, and asks nobody with a broken token", async () => {
    await using agent = await bundleAgent();
    const at = { agents: [agent.server.address], token: tokenFor(agent) };
    const signal = AbortSignal.abort(new Error("enough"));
    await assert.rejects(
      askInTurn({ ...at, signal }, async () => "taken"),
      /enough/,
    );
    const ending = new AbortController();
    const waiting = askInTurn({ ...at, signal: ending.signal }, () => {
      ending.abort(new Error("enough"));
      return Promise.reject(new MeshError("MESH_XDS_LIMIT", "Cannot: too many"));
    });
    await assert.rejects(waiting);
  });
});
