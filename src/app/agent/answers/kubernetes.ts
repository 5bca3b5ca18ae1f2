import type { ApiHealth } from "../../../discovery/io/kubernetes/api-health.ts";
import type { Leadership } from "../../../discovery/publish/election.ts";
import type { KubernetesAnswer } from "../../api-model.ts";
import type { AgentView } from "../agent-view.ts";

// Bookmarks come every 60 s where nothing changes; whoever is silent for longer than watches wait is away.
const silenceMs = 90_000;

/** What an agent is for its own cluster; undefined: nothing. */
export function kubernetesOf({
  cluster,
  lease,
  clock,
}: Pick<AgentView, "cluster" | "lease" | "clock">): KubernetesAnswer | undefined {
  if (cluster === undefined) return undefined;
  const { url, imports, webhook } = cluster;
  const led = lease?.status();
  const nowMs = clock.monotonicMs();
  return {
    apiServer: { url, ...apiServerOf([cluster.health(), led?.health], nowMs) },
    lease: led === undefined ? undefined : { name: led.name, ...leaseOf(led.leadership) },
    imports: imports && { isKnown: imports.isKnown(), ...imports.counts() },
    webhook: webhook && { problem: undefined, ...webhook.status() },
  };
}

/** Each pool of connections hears for itself; what any of them hears is an answer. */
function apiServerOf(
  pools: readonly (ApiHealth | undefined)[],
  nowMs: number,
): Omit<KubernetesAnswer["apiServer"], "url"> {
  const known = pools.filter((pool) => pool !== undefined);
  const heardAtMs = Math.max(...known.map((pool) => pool.heardAtMs ?? Number.NEGATIVE_INFINITY));
  const failures = known.flatMap(({ failed }) => failed ?? []);
  const last = failures.toSorted((one, other) => other.atMs - one.atMs)[0];
  const isHeard = Number.isFinite(heardAtMs);
  const isLost = last !== undefined && last.atMs > heardAtMs;
  return {
    isReachable: isHeard && !isLost && nowMs - heardAtMs < silenceMs,
    heardAgoMs: isHeard ? Math.round(nowMs - heardAtMs) : undefined,
    lastError: isLost ? { reason: last.reason, agoMs: Math.round(nowMs - last.atMs) } : undefined,
  };
}

function leaseOf(leadership: Leadership): Omit<NonNullable<KubernetesAnswer["lease"]>, "name"> {
  const holder = leadership.t === "follower" ? leadership.holder?.host : undefined;
  return { state: leadership.t, holder };
}
