import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openAgentTrust } from "../../../../src/app/agent/trust/agent-trust.ts";
import type { AgentConfig } from "../../../../src/app/config/config.ts";
import { parseMemberName, parseNetworkName } from "../../../../src/mesh/ids.ts";
import { signCharter } from "../../../../src/trust/charter.ts";
import { loadMember, loadRoot } from "../../../../src/trust/io/member-files.ts";
import { initTrust, issueMember } from "../../../../src/trust/io/trust-files.ts";
import { mesh } from "../../../trust/made.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

test("offer() leaves the newest charter on disk, however many come at once", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "isthmus-trust-"));
  t.after(() => rm(home, { recursive: true }));
  const [root, east] = [join(home, "root"), join(home, "east")];
  const nowMs = Date.now();
  const name = parseMemberName("east");
  const member = { name, cloud: "aws", region: "us-east-1", network: parseNetworkName("east") };
  const claims = { ...member, gatewayRanges: [], mayExport: ["*"] };
  await initTrust({ dir: root, mesh, nowMs });
  await issueMember({ dir: root, out: east, claims, nowMs });
  const { charter, root: authority } = await loadRoot(root);
  const first = charter.charter.number;
  const newer = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const next = { ...charter.charter, number: first + 1 + index };
      return (await signCharter(next, authority.signer)).signed;
    }),
  );
  const ending = new AbortController();
  t.after(() => ending.abort());
  const config = { mesh, member, trust: { dir: east } } as unknown as AgentConfig;
  const trust = await openAgentTrust(config, {
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    random: Math.random,
    log: quiet,
    signal: ending.signal,
  });
  assert.ok(newer.map(trust.offer).every(({ t }) => t === "newer"));
  await trust.whenSaved();
  assert.equal((await loadMember(east)).charter.charter.number, first + 40);
});
