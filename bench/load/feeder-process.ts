/**
 * The feeder in a process of its own: what other members do must not be taken for the cost of the agent
 * that reads them.
 */
import { realClock, realTimers } from "../../src/app/real-time.ts";
import { openRedisStore } from "../../src/discovery/io/catalog/redis/redis-store.ts";
import { parseMeshDomain } from "../../src/mesh/ids.ts";
import type { Log } from "../../src/mesh/ports.ts";
import type { RemotePlan } from "./made-services.ts";
import { benchMesh } from "./mesh-files.ts";
import { feedShards, type ShardFeeder } from "./shard-feeder.ts";

export interface FeederOrder {
  readonly dir: string;
  readonly remotes: number;
  readonly plan: RemotePlan;
  readonly hubPorts: readonly number[];
  readonly gatewayPort: number;
}

export type ToFeeder =
  | { readonly t: "start"; readonly order: FeederOrder }
  /** As `ShardFeeder.turn`. */
  | { readonly t: "turn"; readonly member: number; readonly index: number }
  | { readonly t: "stop" };

/** Every shard is in every hub. */
export type FromFeeder = { readonly t: "fed" };

const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};
let feeder: ShardFeeder | undefined;

process.on("message", (message: ToFeeder) => {
  switch (message.t) {
    case "start":
      void start(message.order);
      break;
    case "turn":
      return feeder?.turn(message);
    case "stop":
      void stop();
      break;
  }
});

async function start({ hubPorts, ...order }: FeederOrder): Promise<void> {
  const stores = hubPorts.map((port) =>
    openRedisStore(
      { url: `redis://127.0.0.1:${port}`, name: `hub-${port}` },
      {
        mesh: parseMeshDomain(benchMesh),
        clock: realClock,
        timers: realTimers,
        random: Math.random,
        log,
      },
    ),
  );
  feeder = await feedShards({ ...order, stores, log });
  await feeder.whenFed;
  process.send?.({ t: "fed" } satisfies FromFeeder);
}

async function stop(): Promise<void> {
  await feeder?.[Symbol.asyncDispose]();
  process.disconnect();
}
