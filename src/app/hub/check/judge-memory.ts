import { type HubFinding, noteAbout } from "../hub-finding.ts";
import { numberIn } from "../redis-info.ts";
import type { NodeFacts } from "./hub-facts.ts";

// Redis refuses writes at its limit; an operator needs days, not minutes, to give it more.
const fullRatio = 0.8;
const veryFullRatio = 0.95;

export interface MemoryUse {
  readonly usedBytes: number | undefined;
  /** 0: no limit. */
  readonly maxBytes: number | undefined;
  readonly policy: string | undefined;
}

/** CONFIG tells what is set, INFO what is in force; managed Redis mostly has only the second. */
export function memoryOf({ info, settings }: NodeFacts): MemoryUse {
  const fields = info.t === "told" ? info.value : new Map<string, string>();
  const limit = settings.get("maxmemory");
  const policy = settings.get("maxmemory-policy");
  return {
    usedBytes: numberIn(fields, "used_memory"),
    maxBytes:
      numberIn(fields, "maxmemory") ?? (limit?.t === "told" ? Number(limit.value) : undefined),
    policy: fields.get("maxmemory_policy") ?? (policy?.t === "told" ? policy.value : undefined),
  };
}

export function judgeMemory(node: NodeFacts): readonly HubFinding[] {
  const { usedBytes, maxBytes, policy } = memoryOf(node);
  const note = noteAbout(node.node);
  const findings: HubFinding[] = [];
  if (policy === undefined) {
    findings.push(
      note("HUB_CANNOT_TELL", "info", {
        message: "it does not tell its eviction policy",
        remedy: "see in its console or parameter group that maxmemory-policy is noeviction",
      }),
    );
  } else if (policy !== "noeviction") {
    findings.push(
      note("HUB_EVICTS", "error", {
        message: `maxmemory-policy is ${policy}: when memory runs short, parts of the catalog vanish`,
        remedy:
          "set maxmemory-policy noeviction (CONFIG SET and redis.conf, or the parameter group), on replicas too; " +
          "a cache needs a Redis of its own",
      }),
    );
  }
  if (maxBytes === 0) {
    findings.push(
      note("HUB_MEMORY_UNBOUNDED", "info", {
        message: "maxmemory is not set: the machine's memory is the limit",
        remedy:
          "set maxmemory below what the machine has, so that Redis refuses writes instead of being killed",
      }),
    );
  }
  const ratio = usedBytes === undefined || !maxBytes ? 0 : usedBytes / maxBytes;
  if (ratio >= fullRatio) {
    findings.push(
      note("HUB_MEMORY_FULL", ratio >= veryFullRatio ? "error" : "warning", {
        message: `${Math.round(ratio * 100)} % of maxmemory is used; at 100 % it refuses to take changes`,
        remedy: "raise maxmemory, or move away what else lives in it",
      }),
    );
  }
  return findings;
}
