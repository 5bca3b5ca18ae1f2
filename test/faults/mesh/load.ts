import { runLane } from "./lane.ts";
import { type LanePlan, machineMs, type Sample } from "./sample.ts";

/** Told to the process that makes a region's load. */
export type ToLoad =
  | { readonly t: "begin"; readonly lanes: readonly LanePlan[]; readonly prefix: string }
  | { readonly t: "peek"; readonly lastMs: number }
  | { readonly t: "finish" }
  | { readonly t: "fetch"; readonly url: string }
  | { readonly t: "stop" };

export type FromLoad =
  | { readonly t: "begun" }
  | { readonly t: "peeked"; readonly counts: Readonly<Record<string, number>> }
  | { readonly t: "finished"; readonly samples: readonly Sample[]; readonly lagMs: number }
  | { readonly t: "fetched"; readonly body: unknown };

// A process of its own beside the caller's sidecar: nothing else may hold up its event loop.
let samples: Sample[] = [];
let ending = new AbortController();
let running: Promise<unknown> = Promise.resolve();
let worstLagMs = 0;

// The first fetch of a process loads a client for 80 ms: not amid what is measured.
await fetch("data:,");
process.on("message", (message: ToLoad) => void obey(message));
process.on("disconnect", () => process.exit(0));
watchLag();

async function obey(message: ToLoad): Promise<void> {
  switch (message.t) {
    case "begin":
      begin(message);
      return answer({ t: "begun" });
    case "peek":
      return answer({ t: "peeked", counts: countSince(machineMs() - message.lastMs) });
    case "finish":
      ending.abort();
      await running;
      return answer({ t: "finished", samples, lagMs: worstLagMs });
    case "fetch":
      return answer({ t: "fetched", body: await fetchJson(message.url) });
    case "stop":
      process.exit(0);
  }
}

function answer(message: FromLoad): void {
  process.send?.(message);
}

function begin({ lanes, prefix }: Extract<ToLoad, { t: "begin" }>): void {
  samples = [];
  worstLagMs = 0;
  ending = new AbortController();
  let sent = 0;
  const common = {
    record: (sample: Sample) => void samples.push(sample),
    nextId: () => `${prefix}-${(sent += 1)}`,
    signal: ending.signal,
  };
  running = Promise.all(lanes.map((lane) => runLane({ ...lane, ...common })));
}

/** Exchanges that ended since then by `service kind who`, failed ones without who. */
function countSince(sinceMs: number): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let at = samples.length - 1; at >= 0; at -= 1) {
    const sample = samples[at];
    // They lie in the order in which they ended.
    if (sample === undefined || sample.endMs < sinceMs) break;
    const key = `${sample.service} ${sample.kind} ${sample.who ?? ""}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

async function fetchJson(url: string): Promise<unknown> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    return await response.json();
  } catch {
    return undefined;
  }
}

/** How late this process itself was: it bounds what its times can say. */
function watchLag(): void {
  const everyMs = 5;
  let lastMs = machineMs();
  setInterval(() => {
    const nowMs = machineMs();
    worstLagMs = Math.max(worstLagMs, nowMs - lastMs - everyMs);
    lastMs = nowMs;
  }, everyMs);
}
