import type { Clock } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { NodeClaim } from "../../../xds/node.ts";

/** Notices proxies of this member that are started again and again. */
export interface EngineWatch {
  /** Call for each stream of a proxy that was admitted. */
  readonly note: (node: Pick<NodeClaim, "id" | "metadata">) => void;
  readonly findings: () => readonly Finding[];
}

interface Restarted {
  readonly count: number;
  readonly atMs: number;
}

// Who has run for so long since is well again.
const tellForMs = 10 * 60_000;
// What one crash loop of a whole host needs; the rest of it is like the first.
const maxKept = 1_000;
const maxNamed = 20;

export function createEngineWatch(clock: Clock): EngineWatch {
  const restarted = new Map<string, Restarted>();
  return {
    note: ({ id, metadata }) => {
      const count = restartsIn(metadata);
      // gRPC programs have no launcher, and may give themselves any name.
      if (count === 0 || id.startsWith("grpc/")) return;
      restarted.delete(id);
      restarted.set(id, { count, atMs: clock.monotonicMs() });
      const [oldest] = restarted.keys();
      if (restarted.size > maxKept && oldest !== undefined) restarted.delete(oldest);
    },
    findings: () => {
      const nowMs = clock.monotonicMs();
      for (const [id, { atMs }] of restarted) if (nowMs - atMs > tellForMs) restarted.delete(id);
      return [...restarted].slice(-maxNamed).map(([id, { count }]) => findingOf(id, count));
    },
  };
}

/** As its launcher writes it into the bootstrap; what else is claimed there counts as none. */
function restartsIn(metadata: NodeClaim["metadata"]): number {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return 0;
  const { restarts } = metadata;
  return typeof restarts === "number" && Number.isSafeInteger(restarts) ? Math.max(0, restarts) : 0;
}

function findingOf(id: string, count: number): Finding {
  const [, namespace, workload] = id.split("/");
  const times = count === 1 ? "once" : `${count} times`;
  return {
    code: "PROXY_ENGINE_RESTARTED",
    severity: "warning",
    subject: `${namespace}/${workload}`,
    message: `its Envoy has ended by itself ${times} since its launcher started, and was started again`,
  };
}
