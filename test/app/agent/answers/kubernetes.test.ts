import assert from "node:assert/strict";
import { test } from "node:test";
import { kubernetesOf } from "../../../../src/app/agent/answers/kubernetes.ts";
import type { KubernetesAnswer } from "../../../../src/app/api-model.ts";
import { kubernetesRows } from "../../../../src/cli/print/kubernetes-rows.ts";
import type { ApiHealth } from "../../../../src/discovery/io/kubernetes/api-health.ts";

type View = Parameters<typeof kubernetesOf>[0];

const clock = { nowMs: () => 0, monotonicMs: () => 200_000 };
const url = "https://10.0.0.1";
const never: ApiHealth = { heardAtMs: undefined, failed: undefined };
const heardAt = (heardAtMs: number): ApiHealth => ({ heardAtMs, failed: undefined });
const failedAt = (heardAtMs: number, atMs: number): ApiHealth => ({
  heardAtMs,
  failed: { reason: "refused", atMs },
});

function answer(cluster: object, lease?: object): KubernetesAnswer {
  const led = lease === undefined ? {} : { lease: { status: () => lease } };
  const view = { clock, cluster: { url, ...cluster }, ...led } as unknown as View;
  return kubernetesOf(view) ?? assert.fail();
}

const apiServer = (...pools: readonly [ApiHealth, ApiHealth?]): KubernetesAnswer["apiServer"] => {
  const [own, lease] = pools;
  const led = { name: "a/b", leadership: { t: "leader" }, health: lease };
  return answer({ health: () => own }, lease && led).apiServer;
};

test("kubernetesOf() of an agent without a cluster is nothing", () => {
  assert.equal(kubernetesOf({ clock }), undefined);
});

test("kubernetesOf() takes what any pool of connections has heard last", () => {
  assert.deepEqual(apiServer(heardAt(150_000), heardAt(199_500)), {
    url,
    isReachable: true,
    heardAgoMs: 500,
    lastError: undefined,
  });
  assert.equal(apiServer(failedAt(100_000, 190_000), heardAt(199_000)).isReachable, true);
});

test("kubernetesOf() holds an API server for away that failed since, was silent for long, or was never heard", () => {
  assert.deepEqual(apiServer(failedAt(190_000, 199_000)), {
    url,
    isReachable: false,
    heardAgoMs: 10_000,
    lastError: { reason: "refused", agoMs: 1000 },
  });
  assert.equal(apiServer(heardAt(100_000)).isReachable, false);
  assert.deepEqual(apiServer(never), {
    url,
    isReachable: false,
    heardAgoMs: undefined,
    lastError: undefined,
  });
});

const whole = {
  health: () => heardAt(199_000),
  imports: { isKnown: () => true, counts: () => ({ imports: 12, waiting: 3 }) },
  webhook: { status: () => ({ configuration: "injector", notAfterMs: 6 * 86_400_000 }) },
};
const rowsOf = (cluster: object, lease?: object): readonly string[] =>
  kubernetesRows({ kubernetes: answer(cluster, lease) }, 0).map(
    ([title, { text, tone = "plain" }]) => `${title.trim()} ${tone}: ${text}`,
  );

test("kubernetesRows() has a row for each part that there is", () => {
  const holder = { host: "agent-1", instance: "x" };
  const leadership = { t: "follower", holder };
  assert.deepEqual(rowsOf(whole, { name: "a/b", leadership, health: never }), [
    "kubernetes plain: https://10.0.0.1: heard 1.0 s ago",
    "lease plain: a/b: held by agent-1",
    "imports plain: 12 in this cluster, 3 to be looked at",
    "webhook plain: injector: kept; certificate ends in 6 d",
  ]);
  assert.deepEqual(rowsOf({ health: () => never }), [
    "kubernetes bad: https://10.0.0.1: does not answer, not heard yet",
  ]);
  assert.deepEqual(kubernetesRows({ kubernetes: undefined }), []);
});

test("kubernetesRows() shows what is wrong as such", () => {
  const webhook = {
    status: () => ({ configuration: "injector", problem: "no right", notAfterMs: -1 }),
  };
  const imports = { isKnown: () => false, counts: () => ({ imports: 0, waiting: 9 }) };
  const health = (): ApiHealth => failedAt(140_000, 199_000);
  const lease = { name: "a/b", leadership: { t: "doubtful" }, health: never };
  assert.deepEqual(rowsOf({ health, imports, webhook }, lease), [
    "kubernetes bad: https://10.0.0.1: does not answer, heard 60 s ago; refused, 1.0 s ago",
    "lease bad: a/b: was held by this agent, which cannot renew it",
    "imports warn: not all read yet: 0 in this cluster, 9 to be looked at",
    "webhook bad: injector: no right; certificate has ended",
  ]);
});
