import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ReplicaWatch,
  watchReplicas,
} from "../../../../src/app/agent/replicas/replica-watch.ts";
import type { ShardOwner } from "../../../../src/discovery/shards/head.ts";
import { parseMemberName, parseSpiffeId } from "../../../../src/mesh/ids.ts";
import { identitySource, testTrust } from "../../../dataplane/support/certificates.ts";
import { silentLog } from "../../support/test-mesh.ts";

async function watchWith(
  holder: () => ShardOwner | undefined,
  clock: { readonly nowMs: () => number; readonly monotonicMs: () => number },
): Promise<ReplicaWatch> {
  const trust = await testTrust();
  return watchReplicas({
    replicas: [],
    agentId: parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent"),
    identity: identitySource(await trust.identity("spiffe://east.acme.mesh/isthmus/agent")),
    onProofs: () => undefined,
    holder,
    member: parseMemberName("east"),
    clock,
    log: silentLog,
  });
}

test("a writer that is none of the replicas that answer is a finding, and names who it is", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let nowMs = 0;
  let holder: ShardOwner | undefined = { instance: "i-1", host: "elsewhere", isReplica: true };
  using watch = await watchWith(() => holder, { nowMs: () => nowMs, monotonicMs: () => nowMs });
  t.mock.timers.tick(1000);
  assert.deepEqual(watch.findings(), [], "a replica that starts has met nobody yet");
  nowMs = 31_000;
  t.mock.timers.tick(1000);
  const [finding] = watch.findings();
  assert.equal(finding?.code, "CATALOG_NAME_TAKEN");
  assert.match(finding?.message ?? "", /instance i-1 on elsewhere/);
  holder = undefined;
  assert.deepEqual(watch.findings(), []);
});
