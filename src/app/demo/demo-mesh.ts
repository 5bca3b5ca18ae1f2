import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMemoryHub, type MemoryHub } from "../../discovery/io/catalog/memory-store.ts";
import { MeshError } from "../../mesh/errors.ts";
import { type MemberName, parseNetworkName } from "../../mesh/ids.ts";
import { type RunningAgent, startAgent } from "../agent/agent.ts";
import type { AgentConfig, GatewayConfig } from "../config/config.ts";
import { realTimers } from "../real-time.ts";
import { ChildPart } from "./child-part.ts";
import { demoLog } from "./demo-log.ts";
import { type DemoPlan, servicesDir } from "./demo-plan.ts";
import { demoMesh, gatewayIdentityDir, issueTrust, trustDir } from "./demo-trust.ts";
import type { Part } from "./part-messages.ts";
import { pause } from "./pause.ts";
import { shownService } from "./phases.ts";
import type { Sample } from "./samples.ts";
import { callerService, loadsOf, type SitePlan, withDraining } from "./site-plan.ts";

export interface DemoMeshOptions {
  readonly plan: DemoPlan;
  /** Told of each step when it is done. */
  readonly onStep: (what: string) => void;
  readonly signal: AbortSignal;
}

/** All that runs: agents here, everything that can be killed in processes of its own. */
export interface DemoMesh extends AsyncDisposable {
  readonly apiUrls: readonly string[];
  readonly samples: () => readonly Sample[];
  readonly forgetSamples: () => void;
  readonly drain: (member: MemberName, options: { readonly isOn: boolean }) => Promise<void>;
  readonly crash: (member: MemberName) => Promise<void>;
  readonly restart: (member: MemberName) => Promise<void>;
  readonly gateway: (member: MemberName) => ChildPart;
}

const firstRequestLimitMs = 20_000;
const stopDeadlineMs = 1000;

/** Throws MESH_INTERNAL when a part ends, and the signal's reason once it is given. */
export async function openDemoMesh(options: DemoMeshOptions): Promise<DemoMesh> {
  await using opening = new AsyncDisposableStack();
  const { plan } = options;
  const samples: Sample[] = [];
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  options.signal.addEventListener("abort", () => lost.reject(options.signal.reason), {
    once: true,
  });
  const orLost = <T>(work: Promise<T>): Promise<T> => Promise.race([work, lost.promise]);
  const fork: Fork = (name, type) =>
    new ChildPart(name, {
      type,
      logFile: join(plan.dir, `${name}.log`),
      onSamples: (batch) => void samples.push(...batch),
      onLost: (reason) => lost.reject(new MeshError("MESH_INTERNAL", reason)),
    });
  // Processes first: they load the program while the trust material is being made.
  const parts = forkParts(plan, { fork, stack: opening });
  const issued = await orLost(issueTrust(plan));
  options.onStep(`one root, ${plan.sites.length} members in the charter, ${issued} identities`);
  const agents = await orLost(startAgents(plan, opening));
  options.onStep(`${agents.length} agents share a catalog of signed shards`);
  const starting = [...parts.all.values()].map(([part, what]) => part.start(what));
  await orLost(Promise.all(starting));
  const sidecars = plan.sites.reduce((sum, site) => sum + site.workloads.length, 0);
  options.onStep(`${sidecars} sidecars and ${plan.sites.length} gateways configured over xDS`);
  parts.callers.startLoad();
  options.onStep(firstText(await orLost(firstAnswer(samples, options.signal))));
  const resources = opening.move();
  return {
    apiUrls: agents.map((agent) => agent.httpUrl),
    samples: () => samples,
    forgetSamples: () => void samples.splice(0),
    drain: (member, { isOn }) => drainSite(plan, { member, isOn, part: parts.workloads(member) }),
    crash: (member) => parts.workloads(member).kill(),
    restart: async (member) => {
      const part = resources.use(fork(`${member}-workloads`, "workloads"));
      parts.replaceWorkloads(member, part);
      await part.start(workloadsPart(siteOf(plan, member)));
    },
    gateway: (member) => parts.gateway(member),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

type Fork = (name: string, type: Part["t"]) => ChildPart;

interface Parts {
  readonly all: ReadonlyMap<string, readonly [ChildPart, Part]>;
  readonly callers: ChildPart;
  readonly workloads: (member: MemberName) => ChildPart;
  readonly replaceWorkloads: (member: MemberName, part: ChildPart) => void;
  readonly gateway: (member: MemberName) => ChildPart;
}

function forkParts(
  plan: DemoPlan,
  by: { readonly fork: Fork; readonly stack: AsyncDisposableStack },
): Parts {
  const all = new Map<string, readonly [ChildPart, Part]>();
  const add = (name: string, part: Part): ChildPart => {
    const child = by.stack.use(by.fork(name, part.t));
    all.set(name, [child, part]);
    return child;
  };
  const callers = add("callers", callersPart(plan));
  for (const site of plan.sites) {
    add(`${site.member.name}-workloads`, workloadsPart(site));
    add(`${site.member.name}-gateway`, { t: "gateway", config: gatewayConfig(site, plan.dir) });
  }
  add("wan", wanPart(plan));
  const named = (name: string): ChildPart => {
    const [child] = all.get(name) ?? [];
    if (child === undefined) throw new RangeError(`The demo has no part "${name}"`);
    return child;
  };
  return {
    all,
    callers,
    workloads: (member) => named(`${member}-workloads`),
    gateway: (member) => named(`${member}-gateway`),
    replaceWorkloads: (member, child) => {
      all.set(`${member}-workloads`, [child, workloadsPart(siteOf(plan, member))]);
    },
  };
}

function callersPart(plan: DemoPlan): Part {
  const groups = plan.sites.map((site) => ({
    member: site.member.name,
    workloads: site.workloads.filter(({ service }) => service === callerService),
  }));
  return {
    t: "workloads",
    groups,
    loads: plan.sites.flatMap((site) => loadsOf(site, shownService)),
  };
}

function workloadsPart(site: SitePlan): Part {
  const workloads = site.workloads.filter(({ service }) => service !== callerService);
  return { t: "workloads", groups: [{ member: site.member.name, workloads }], loads: [] };
}

function wanPart(plan: DemoPlan): Part {
  const links = plan.sites.map((site) => ({
    listen: site.gatewayDoor,
    target: site.gateway,
    rttMs: site.member.rttMs,
  }));
  return { t: "wan", links };
}

function gatewayConfig(site: SitePlan, dir: string): GatewayConfig {
  return {
    agent: site.xds,
    identity: { dir: gatewayIdentityDir(dir, site) },
    engine: "embedded",
    workers: 1,
    admin: { host: "127.0.0.1", port: 0 },
    logLevel: "info",
    listen: site.gateway,
  };
}

async function startAgents(
  plan: DemoPlan,
  stack: AsyncDisposableStack,
): Promise<readonly RunningAgent[]> {
  const hub = createMemoryHub({ name: "memory", timers: realTimers });
  const start = async (site: SitePlan): Promise<RunningAgent> => {
    const agent = await startSiteAgent(site, { plan, hub });
    const stop = (): Promise<void> => agent.stop({ deadlineMs: stopDeadlineMs });
    // The demo may have been ended while this one was starting.
    if (stack.disposed) await stop();
    else stack.defer(stop);
    return agent;
  };
  return Promise.all(plan.sites.map(start));
}

function startSiteAgent(
  site: SitePlan,
  world: { readonly plan: DemoPlan; readonly hub: MemoryHub },
): Promise<RunningAgent> {
  const { dir } = world.plan;
  const { name, cloud, region } = site.member;
  const config: AgentConfig = {
    mesh: demoMesh,
    member: { name, cloud, region, network: parseNetworkName(name) },
    trust: { dir: trustDir(dir, site) },
    catalog: { leaseMs: 10_000, snapshotDir: join(dir, name, "state"), expireAfterMs: 86_400_000 },
    sources: [{ t: "files", dir: servicesDir(dir, site.member) }],
    gateway: { addresses: [site.gatewayDoor] },
    xds: { listen: site.xds },
    http: { listen: site.http },
    logLevel: "info",
  };
  const log = demoLog(join(dir, `${name}-agent.log`));
  return startAgent(config, { store: world.hub.connect(), log });
}

/** As a rollout does it: the endpoint is marked first, then the application asks its callers to leave. */
async function drainSite(
  plan: DemoPlan,
  change: { readonly member: MemberName; readonly isOn: boolean; readonly part: ChildPart },
): Promise<void> {
  const site = siteOf(plan, change.member);
  const folder = servicesDir(plan.dir, site.member);
  for (const [name, text] of site.files) {
    const next = withDraining(text, { service: shownService, isOn: change.isOn });
    // Renamed into place: a reader must never see half a file.
    await writeFile(join(folder, `.${name}.next`), change.isOn ? next : text);
    await rename(join(folder, `.${name}.next`), join(folder, name));
  }
  change.part.drain(shownService, { isOn: change.isOn });
}

function siteOf(plan: DemoPlan, member: MemberName): SitePlan {
  const site = plan.sites.find((each) => each.member.name === member);
  if (site === undefined) throw new RangeError(`The demo has no member "${member}"`);
  return site;
}

async function firstAnswer(samples: readonly Sample[], signal: AbortSignal): Promise<Sample> {
  const deadlineMs = performance.now() + firstRequestLimitMs;
  while (!signal.aborted && performance.now() < deadlineMs) {
    const first = samples.find(({ servedBy }) => servedBy !== undefined);
    if (first !== undefined) return first;
    await pause(10, signal);
  }
  const why = samples.at(-1)?.failure ?? "nobody answered";
  throw new MeshError("MESH_UNREACHABLE", `Cannot send a first request through the mesh: ${why}`);
}

function firstText({ caller, service, servedBy }: Sample): string {
  return `first request through the mesh: ${caller} → ${service} in ${servedBy ?? "?"}`;
}
