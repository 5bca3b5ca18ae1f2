/** Hubs, remote members and the files of one agent: what the claims about an agent at scale are measured in. */
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../test/app/support/free-port.ts";
import { RedisProcess } from "../../test/support/redis/redis-process.ts";
import { forkHere, ToldProcess } from "../../test/support/told-process.ts";
import { type AgentOrder, AgentProcess, bundleInto } from "./agent-process.ts";
import type { FromFeeder, ToFeeder } from "./feeder-process.ts";
import type { RemotePlan } from "./made-services.ts";
import { type MeshPlan, makeMesh } from "./mesh-files.ts";

export interface StagePlan extends Omit<MeshPlan, "dir"> {
  readonly remote: RemotePlan;
  readonly hubs: number;
}

export class MeshStage implements AsyncDisposable {
  readonly dir: string;
  readonly hubPorts: readonly number[];
  readonly #opened: AsyncDisposableStack;
  readonly #feeder: ToldProcess<ToFeeder, FromFeeder>;

  private constructor(options: {
    readonly dir: string;
    readonly hubPorts: readonly number[];
    readonly feeder: ToldProcess<ToFeeder, FromFeeder>;
    readonly opened: AsyncDisposableStack;
  }) {
    this.dir = options.dir;
    this.hubPorts = options.hubPorts;
    this.#feeder = options.feeder;
    this.#opened = options.opened;
  }

  /** Resolves when all remote shards are in all hubs. */
  static async open(plan: StagePlan): Promise<MeshStage> {
    await using opened = new AsyncDisposableStack();
    const dir = await mkdtemp(join(tmpdir(), "isthmus-bench-"));
    opened.defer(() => rm(dir, { recursive: true, force: true }));
    bundleInto(dir);
    await makeMesh({ ...plan, dir });
    const [gatewayPort = 0, ...hubPorts] = await freePorts(1 + plan.hubs);
    for (const port of hubPorts) {
      const args = ["--port", String(port), "--save", "", "--maxmemory-policy", "noeviction"];
      const hub = opened.use(new RedisProcess({ dir: join(dir, `hub-${port}`), port, args }));
      await hub.start();
    }
    const path = fileURLToPath(new URL("feeder-process.ts", import.meta.url));
    const feeder = opened.use(new ToldProcess<ToFeeder, FromFeeder>(forkHere(path)));
    const fed = feeder.hear("fed");
    const { remotes, remote } = plan;
    const order = { dir, remotes, plan: remote, hubPorts, gatewayPort };
    feeder.tell({ t: "start", order });
    await fed;
    return new MeshStage({ dir, hubPorts, feeder, opened: opened.move() });
  }

  /** The agent of the own member. */
  agent(order: Pick<AgentOrder, "name" | "stateDir">): Promise<AgentProcess> {
    const hubs = this.hubPorts.map((port) => `{ url: "redis://127.0.0.1:${port}" }`);
    return AgentProcess.start({ ...order, dir: this.dir, catalog: `hubs: [${hubs.join(", ")}]` });
  }

  turn(at: { readonly member: number; readonly index: number }): void {
    this.#feeder.tell({ t: "turn", ...at });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

/** Processes that wanted a core over the last minute: how far a figure of time is to be believed. */
export function loadAverage(): number {
  return Math.round((loadavg()[0] ?? 0) * 10) / 10;
}
