import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  openRegions,
  type Region,
  type Regions,
  regionNames,
} from "../../support/regions/regions.ts";
import { ToldProcess } from "../../support/told-process.ts";
import type { FromApp, ToApp } from "./app.ts";
import { agentYaml, callerYaml, type Engine, gatewayYaml, workloadYaml } from "./configs.ts";
import { Hub } from "./hub.ts";
import { issueAll } from "./identities.ts";
import type { FromLoad, ToLoad } from "./load.ts";
import { writeManifests } from "./manifests.ts";
import { Part } from "./part.ts";
import {
  gatewayNames,
  hosts,
  ports,
  services,
  servicesOf,
  signatureOf,
  type WorkloadPlan,
  workloadsOf,
} from "./plan.ts";
import { allowManyWatchers } from "./watchers.ts";

export type Load = ToldProcess<ToLoad, FromLoad>;
export type App = ToldProcess<ToApp, FromApp>;

const ownProgram = fileURLToPath(new URL("../../../bin/isthmus.mjs", import.meta.url));
const appFile = fileURLToPath(new URL("app.ts", import.meta.url));
const loadFile = fileURLToPath(new URL("load.ts", import.meta.url));
const servedWithinMs = 60_000;

export interface MeshOptions {
  readonly engine: Engine;
  /** Another build's `bin/isthmus.mjs`; absent: this one's. */
  readonly program?: string;
  /** Of what proxies begin with; absent: a day. */
  readonly svidLifeMs?: number;
}

/**
 * Three members in regions of their own, each part a process as an operator runs it: an agent, gateways,
 * workloads with sidecars, a caller's sidecar with its load, and a hub in each. How many, plan.ts says.
 */
export class FaultMesh implements AsyncDisposable {
  readonly regions: Regions;
  readonly engine: Engine;
  readonly #hubs: ReadonlyMap<Region, Hub>;
  readonly #parts = new Map<string, Part>();
  readonly #apps = new Map<string, App>();
  readonly #asking = new Map<Region, Promise<unknown>>();
  readonly #loads = new Map<Region, Load>();
  readonly #draining = new Map<Region, ReadonlySet<string>>();
  readonly #opened = new AsyncDisposableStack();

  readonly #program: string;
  readonly #svidLifeMs: number | undefined;

  private constructor(regions: Regions, options: MeshOptions) {
    const { engine, program = ownProgram, svidLifeMs } = options;
    this.regions = this.#opened.use(regions);
    this.engine = engine;
    this.#program = program;
    this.#svidLifeMs = svidLifeMs;
    this.#hubs = new Map(regionNames.map((region) => [region, new Hub(regions, region)]));
  }

  /** Resolves when every caller reaches all that it may call. */
  static async open(options: MeshOptions): Promise<FaultMesh> {
    await allowManyWatchers();
    const mesh = new FaultMesh(await openRegions(), options);
    try {
      await mesh.#start();
      return mesh;
    } catch (thrown) {
      await mesh[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** `eu/agent`, `eu/gateway-1`, `eu/shop-1` (a sidecar), `eu/caller`. */
  part(name: string): Part {
    return found(this.#parts, name);
  }

  get parts(): readonly Part[] {
    return [...this.#parts.values()];
  }

  hub(region: Region): Hub {
    return found(this.#hubs, region);
  }

  load(region: Region): Load {
    return found(this.#loads, region);
  }

  /** The applications that run, by the names of their sidecars. */
  get apps(): ReadonlyMap<string, App> {
    return this.#apps;
  }

  file(...path: readonly string[]): string {
    return join(this.regions.dir, ...path);
  }

  /** What an agent's API says; undefined when it does not answer. */
  async ask(region: Region, path: string): Promise<unknown> {
    // One after the other: an answer does not say whose it is.
    const before = this.#asking.get(region);
    const asked = (async () => {
      await before;
      return await this.#fetch(region, path);
    })();
    this.#asking.set(region, asked);
    return await asked;
  }

  async #fetch(region: Region, path: string): Promise<unknown> {
    const load = this.load(region);
    const heard = load.hear("fetched");
    const url = `http://${this.regions.address(region, hosts.agent)}:${ports.api}/api/v1/${path}`;
    load.tell({ t: "fetch", url });
    return (await heard).body;
  }

  /** Withdraws workloads of a region, and takes all others back, as its API server would say it. */
  async drain(region: Region, names: readonly string[]): Promise<void> {
    this.#draining.set(region, new Set(names));
    await this.#writeManifests(region);
  }

  async startApp(name: string): Promise<void> {
    if (this.#apps.has(name)) return;
    const plan = this.#workload(name);
    const app: App = new ToldProcess(this.fork(plan.region, appFile));
    this.#apps.set(name, app);
    const started = app.hear("started");
    const portsOf = (protocol: string): readonly number[] =>
      servicesOf(plan.region)
        .filter((service) => service.protocol === protocol)
        .map(({ appPort }) => appPort);
    app.tell({
      t: "start",
      signature: signatureOf(plan),
      address: this.regions.address(plan.region, plan.host),
      httpPorts: portsOf("http"),
      tcpPorts: portsOf("tcp"),
    });
    await started;
  }

  async killApp(name: string): Promise<void> {
    const app = this.#apps.get(name);
    this.#apps.delete(name);
    await app?.kill();
  }

  /** Packets to and from a workload vanish. */
  async dropPackets(name: string): Promise<void> {
    const { region, host } = this.#workload(name);
    const address = this.regions.address(region, host);
    const rules = [
      "add table inet faults",
      "add chain inet faults in { type filter hook input priority 0; }",
      `add rule inet faults in ip daddr ${address} drop`,
      `add rule inet faults in ip saddr ${address} drop`,
    ];
    await this.regions.exec(region, ["nft", rules.join("; ")]);
  }

  /** Ends what `dropPackets` began there. */
  async passPackets(region: Region): Promise<void> {
    await this.regions.exec(region, ["nft", "add table inet faults; delete table inet faults"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#parts.values()].map((part) => part.kill()));
    await this.#opened.disposeAsync();
    await rm(this.regions.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  async #start(): Promise<void> {
    await Promise.all([...this.#hubs.values()].map((hub) => hub.start()));
    await issueAll(this.regions.dir, this.#svidLifeMs);
    for (const region of regionNames) await this.#configure(region);
    for (const plan of this.#workloads()) await this.startApp(nameOf(plan));
    await Promise.all(regionNames.map((region) => this.part(`${region}/agent`).start()));
    await Promise.all(this.parts.map((part) => part.start()));
    await Promise.all(regionNames.map((region) => this.#untilServed(region)));
  }

  #workload(name: string): WorkloadPlan {
    const plan = this.#workloads().find((one) => nameOf(one) === name);
    if (plan === undefined) throw new RangeError(`there is no workload ${name}`);
    return plan;
  }

  #workloads(): readonly WorkloadPlan[] {
    return regionNames.flatMap((region) => workloadsOf(region));
  }

  async #configure(region: Region): Promise<void> {
    const { regions, engine } = this;
    await this.#writeManifests(region);
    const at = { regions, region, engine };
    const hubs = [...this.#hubs.values()].map(({ url }) => url);
    await this.#add(region, { command: "agent", name: "agent", yaml: agentYaml(at, hubs) });
    for (const [index, name] of gatewayNames().entries()) {
      await this.#add(region, { command: "gateway", name, yaml: gatewayYaml(at, index) });
    }
    for (const plan of workloadsOf(region)) {
      const yaml = workloadYaml(at, plan);
      await this.#add(region, { command: "sidecar", name: plan.name, yaml });
    }
    await this.#add(region, { command: "sidecar", name: "caller", yaml: callerYaml(at) });
    this.#loads.set(region, new ToldProcess(this.fork(region, loadFile)));
  }

  async #add(
    region: Region,
    what: {
      readonly command: string;
      readonly name: string;
      readonly yaml: string;
    },
  ): Promise<void> {
    const cwd = this.file(region);
    await mkdir(cwd, { recursive: true });
    await writeFile(join(cwd, `${what.name}.yaml`), what.yaml);
    const argv = [process.execPath, this.#program, what.command, "--config", `${what.name}.yaml`];
    const ready = what.command === "agent" ? "Serves proxies" : "Ready";
    const name = `${region}/${what.name}`;
    const part = new Part(name, {
      ready,
      spawn: (options) => this.regions.spawn(region, argv, { ...options, cwd }),
    });
    this.#parts.set(name, part);
  }

  /** A helper of ours inside a region, with an IPC channel. */
  fork(region: Region, file: string): ReturnType<Regions["spawn"]> {
    return this.regions.spawn(region, [process.execPath, file], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
  }

  async #writeManifests(region: Region): Promise<void> {
    await writeManifests({
      region,
      folder: this.file(region, "services"),
      addressOf: (host) => this.regions.address(region, host),
      draining: this.#draining.get(region) ?? new Set(),
    });
  }

  /** A sidecar is ready before all are known that it may call. */
  async #untilServed(region: Region): Promise<void> {
    const load = this.load(region);
    const begun = load.hear("begun");
    const lanes = services.map(({ name, protocol, localPort }) => ({
      service: name,
      kind: protocol === "http" ? ("get" as const) : ("new" as const),
      port: localPort,
      connections: 1,
      perSecond: 20,
    }));
    load.tell({ t: "begin", lanes, prefix: `${region}-0` });
    await begun;
    const deadlineMs = Date.now() + servedWithinMs;
    for (let isServed = false; !isServed; await wait(100)) {
      if (Date.now() > deadlineMs) throw new Error(`The caller in ${region} reaches not everybody`);
      const peeked = load.hear("peeked");
      load.tell({ t: "peek", lastMs: 1000 });
      const keys = Object.keys((await peeked).counts);
      const answered = new Set(keys.map((key) => key.split(" ")[0]));
      isServed = answered.size === services.length && keys.every((key) => !key.endsWith(" "));
    }
    const finished = load.hear("finished");
    load.tell({ t: "finish" });
    await finished;
  }
}

function nameOf({ region, name }: WorkloadPlan): string {
  return `${region}/${name}`;
}

function found<Value>(all: ReadonlyMap<string, Value>, name: string): Value {
  const one = all.get(name);
  if (one === undefined) throw new RangeError(`there is no ${name}`);
  return one;
}
