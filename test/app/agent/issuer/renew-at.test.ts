import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type { FindingsAnswer, MemberAnswer } from "../../../../src/app/api-model.ts";
import { parseMemberName, parseMeshDomain, parseNetworkName } from "../../../../src/mesh/ids.ts";
import { loadMember } from "../../../../src/trust/io/member-files.ts";
import { initTrust, issueMember } from "../../../../src/trust/io/trust-files.ts";
import { until } from "../../support/ask.ts";
import { TestMesh } from "../../support/test-mesh.ts";

const dayMs = 86_400_000;

/** Members whose issuers are past half of their life, whatever their phase. */
async function agedMesh(): Promise<TestMesh> {
  const mesh = await TestMesh.open();
  const root = join(mesh.dir, "root");
  await rm(root, { recursive: true });
  const nowMs = Date.now();
  await initTrust({ dir: root, mesh: parseMeshDomain("acme.mesh"), nowMs: nowMs - 300 * dayMs });
  for (const word of ["west", "east"]) {
    const name = parseMemberName(word);
    const place = { cloud: "aws", region: `${word}-1`, network: parseNetworkName(word) };
    await mkdir(join(mesh.dir, word), { recursive: true });
    await issueMember({
      dir: root,
      out: join(mesh.dir, word, "trust"),
      claims: { name, ...place, gatewayRanges: ["127.0.0.0/8"], mayExport: [] },
      nowMs: nowMs - 230 * dayMs,
    });
    await mkdir(mesh.servicesDir(word), { recursive: true });
  }
  return mesh;
}

async function issuerOf(
  mesh: TestMesh,
  name: string,
): Promise<{ readonly keyId: string; readonly endsMs: number }> {
  const { issuer, charter } = await loadMember(join(mesh.dir, name, "trust"));
  const entry = charter.charter.members.find((one) => one.name === name);
  assert.ok(entry?.issuers.includes(issuer.signer.keyId));
  return { keyId: issuer.signer.keyId, endsMs: issuer.certificate.notAfterMs };
}

async function agesAt({ httpUrl }: RunningAgent): Promise<boolean> {
  const { findings } = (await (await fetch(`${httpUrl}/api/v1/findings`)).json()) as FindingsAnswer;
  return findings.some(({ code }) => code === "TRUST_ISSUER_AGES");
}

test("agents renew their issuers at one that may use the root, and go on without a restart", async () => {
  await using mesh = await agedMesh();
  const before = { east: await issuerOf(mesh, "east"), west: await issuerOf(mesh, "west") };
  mesh.trust.set("east", { signer: { t: "file", file: join(mesh.dir, "root", "root.key") } });
  const east = await mesh.startAgent(mesh.agentConfig("east", "east-1", 1));
  mesh.trust.set("west", { renewAt: [{ host: "127.0.0.1", port: 1 }, east.xds] });
  const west = await mesh.startAgent(mesh.agentConfig("west", "west-1", 1));
  for (const name of ["east", "west"] as const) {
    let now = await issuerOf(mesh, name);
    while (now.keyId === before[name].keyId) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      now = await issuerOf(mesh, name);
    }
    // A year from now, and not what was left.
    assert.ok(now.endsMs > Date.now() + 364 * dayMs);
  }
  // What they sign from now on is believed by the other one.
  for (const [agent, other] of [
    [east, "west"],
    [west, "east"],
  ] as const) {
    await until<{ members: MemberAnswer[] }>(`${agent.httpUrl}/api/v1/members`, ({ members }) =>
      members.some(({ name, state }) => name === other && state !== "absent"),
    );
    assert.equal(await agesAt(agent), false);
  }
});

test("an agent that nobody renews goes on, and says so", async () => {
  await using mesh = await agedMesh();
  const west = await mesh.startAgent(mesh.agentConfig("west", "west-1", 1));
  assert.equal(await agesAt(west), true);
});
