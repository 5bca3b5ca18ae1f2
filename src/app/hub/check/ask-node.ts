import { performance } from "node:perf_hooks";
import { reasonOf } from "../../../mesh/errors.ts";
import { parseInfo } from "../redis-info.ts";
import type { RedisNode } from "../redis-node.ts";
import type { LatencyFacts, NodeFacts, Told } from "./hub-facts.ts";
import { told, untold } from "./hub-facts.ts";

const settings = [
  "maxmemory",
  "maxmemory-policy",
  "save",
  "stop-writes-on-bgsave-error",
  "min-replicas-to-write",
] as const;

const pings = 30;
// To another continent fewer are enough for somebody who waits.
const maxPingingMs = 3000;
const fewestPings = 5;

/** What one server tells of itself. */
export async function askNode(node: RedisNode): Promise<NodeFacts> {
  const info = await tell(async () => parseInfo(String(await node.call("INFO"))));
  // Each by itself: a server that refuses one of them may tell the others.
  const values = settings.map(
    async (name): Promise<[string, Told<string>]> => [
      name,
      await tell(async () => settingIn(await node.call("CONFIG", "GET", name))),
    ],
  );
  return { node: node.name, info, settings: new Map(await Promise.all(values)) };
}

export async function askLatency(node: RedisNode): Promise<LatencyFacts> {
  const tookMs: number[] = [];
  const endMs = performance.now() + maxPingingMs;
  for (let count = 0; count < pings; count += 1) {
    const startMs = performance.now();
    if (startMs > endMs && count >= fewestPings) break;
    await node.call("PING");
    tookMs.push(performance.now() - startMs);
  }
  tookMs.sort((left, right) => left - right);
  const at = (ratio: number): number =>
    tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * ratio))] ?? 0;
  return { pings: tookMs.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** The server's clock minus ours, taken half way between question and answer. */
export function askSkew(node: RedisNode): Promise<Told<number>> {
  return tell(async () => {
    const startMs = Date.now();
    const reply = await node.call("TIME");
    const endMs = Date.now();
    const [seconds, micros] = Array.isArray(reply) ? reply : [];
    const theirsMs = Number(seconds) * 1000 + Number(micros) / 1000;
    if (!Number.isFinite(theirsMs)) throw new RangeError("its TIME is no time");
    return theirsMs - (startMs + endMs) / 2;
  });
}

/** Managed servers forbid this and that: what they refuse is not known, and no failure. */
export async function tell<T>(ask: () => Promise<T>): Promise<Told<T>> {
  try {
    return told(await ask());
  } catch (thrown) {
    return untold(reasonOf(thrown));
  }
}

function settingIn(reply: unknown): string {
  const value: unknown = Array.isArray(reply) ? reply[1] : undefined;
  if (typeof value !== "string" || value.length > 1024) throw new RangeError("it does not tell");
  return value;
}
