// The root's key where an agent may use it: missing, readable by others, somebody else's. The agent serves on, says
// so, admits nobody, and admits by the same token as soon as the file is sound.
import assert from "node:assert/strict";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import type { RunningAgent } from "../../src/app/agent/agent.ts";
import { joinMember } from "../../src/app/join/show-token.ts";
import { parseMemberName, parseNetworkName } from "../../src/mesh/ids.ts";
import { createCsr } from "../../src/trust/csr.ts";
import { createJoinToken } from "../../src/trust/io/join-tokens.ts";
import { loadMember } from "../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { until } from "../app/support/ask.ts";
import { TestMesh } from "../app/support/test-mesh.ts";

type Spoil = (file: string, pem: string) => Promise<void>;

const spoils: Readonly<Record<string, Spoil>> = {
  "is not there": (file) => rm(file),
  "can be read by others": (file) => chmod(file, 0o644),
  "can be replaced by others": (file) => chmod(dirname(file), 0o777),
  "is empty": (file) => writeFile(file, ""),
  "is cut": (file, pem) => writeFile(file, pem.slice(0, 100)),
  "is that of another root": (file) =>
    writeFile(file, newPrivateKey().export({ format: "pem", type: "pkcs8" })),
};

/** Whoever joins as `north`, again and again with one key and one token. */
async function newcomer(
  mesh: TestMesh,
  agent: RunningAgent,
): Promise<() => ReturnType<typeof joinMember>> {
  const { bundle, trustDomain } = await loadMember(join(mesh.dir, "east", "trust"));
  const place = { cloud: "aws", region: "us-east-1", network: parseNetworkName("north") };
  const claims = { name: parseMemberName("north"), ...place, gatewayRanges: [], mayExport: [] };
  const { text } = await createJoinToken(join(mesh.dir, "east", "state"), {
    nowMs: Date.now(),
    wish: {
      grant: { t: "member", claims },
      uses: 1,
      from: [],
      ttlMs: 3_600_000,
      rootSpkiSha256: bundle.roots[0]?.spkiSha256 ?? "",
      trustDomain,
    },
  });
  const csr = createCsr(newPrivateKey());
  return async () => await joinMember({ agents: [agent.xds], token: text, csr, rounds: 1 });
}

suite("the root's key of a running agent", () => {
  for (const [what, spoil] of Object.entries(spoils)) {
    test(`${what}: the agent serves, says so, and admits nobody until that is mended`, async () => {
      await using mesh = await TestMesh.open();
      await mesh.issue("east", "us-east-1");
      await mkdir(mesh.servicesDir("east"), { recursive: true });
      const file = join(mesh.dir, "root", "root.key");
      const pem = await readFile(file, "utf8");
      mesh.trust.set("east", { signer: { t: "file", file } });
      await spoil(file, pem);
      const agent = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", 1));
      type Findings = { readonly findings: readonly { readonly code: string }[] };
      const isSaid = ({ findings }: Findings): boolean =>
        findings.some(({ code }) => code === "TRUST_SIGNER_UNUSABLE");
      const findings = `${agent.httpUrl}/api/v1/findings`;
      await until<Findings>(findings, isSaid);
      const ask = await newcomer(mesh, agent);
      await assert.rejects(ask(), (thrown: Error) => {
        const [, body = ""] = pem.split("\n");
        assert.ok(!thrown.message.includes(body) && !thrown.message.includes("PRIVATE KEY"));
        return true;
      });
      assert.equal((await fetch(`${agent.httpUrl}/healthz`)).status, 200);

      await chmod(dirname(file), 0o700);
      await writeFile(file, pem, { mode: 0o600 });
      await chmod(file, 0o600);
      const { answer } = await ask();
      assert.equal(answer.chain.length, 1);
      await until<Findings>(findings, (answer) => !isSaid(answer));
    });
  }
});
