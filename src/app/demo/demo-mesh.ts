import { join } from "node:path";
import { MeshError } from "../../mesh/errors.ts";
import { type MemberName, parseNetworkName } from "../../mesh/ids.ts";
import { replaceFile } from "../../mesh/io/replace-file.ts";
import { type RunningAgent, startAgent } from "../agent/agent.ts";
import type { AgentConfig } from "../config/config.ts";
import { ChildPart, type ChildPartOptions } from "./child-part.ts";
import { demoLog } from "./demo-log.ts";
import { type DemoPlan, servicesDir } from "./demo-plan.ts";
import { type DemoStore, type DemoStoreChoice, openDemoStore } from "./demo-store.ts";
import { issueTrust, rootDir, trustDir } from "./demo-trust.ts";
import type { Part } from "./part-messages.ts";
import { pause } from "./pause.ts";
import { shownService } from "./phases.ts";
import { createDemoRotation, type DemoRotation } from "./rotation.ts";
import type { Sample } from "./samples.ts";
import { callersPart, gatewayPart, wanPart, workloadsPart } from "./site-parts.ts";
import { type SitePlan, withDraining } from "./site-plan.ts";

export interface DemoMeshOptions {
  readonly plan: DemoPlan;
  readonly store: DemoStoreChoice;
  /** Told of each step when it is done. */
  readonly onStep: (what: string) => void;
  readonly signal: AbortSignal;
}

/** All that runs: agents here, everything that can be killed in processes of its own. */
export interface DemoMesh extends AsyncDisposable {
  readonly apiUrls: readonly string[];
  /** Since this process began. */
  readonly firstRequestMs: number;
  readonly samples: () => readonly Sample[];
  readonly forgetSamples: () => void;
  readonly drain: (member: MemberName, options: { readonly isOn: boolean }) => Promise<void>;
  readonly crash: (member: MemberName) => Promise<void>;
  readonly restart: (member: MemberName) => Promise<void>;
  readonly gateway: (member: MemberName) => ChildPart;
  readonly rotation: DemoRotation;
}

const firstRequestLimitMs = 20_000;
const stopDeadlineMs = 1000;
// Each of a caller's lanes has answered from home.
const settledCount = 8;

/** Throws MESH_INTERNAL when a part ends, and the signal's reason once it is given. */
export async function openDemoMesh(options: DemoMeshOptions): Promise<DemoMesh> {
  const stack = new AsyncDisposableStack();
  try {
    return await open(options, stack);
  } catch (thrown) {
    await stack.disposeAsync();
    throw thrown;
  }
}

async function open(options: DemoMeshOptions, stack: AsyncDisposableStack): Promise<DemoMesh> {
  const { plan } = options;
  const samples: Sample[] = [];
  const watch = { samples, signal: options.signal };
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => undefined);
  options.signal.addEventListener("abort", () => lost.reject(options.signal.reason), {
    once: true,
  });
  const orLost = <T>(work: Promise<T>): Promise<T> => Promise.race([work, lost.promise]);
  const parts = createParts(
    {
      dir: plan.dir,
      onSamples: (batch) => void samples.push(...batch),
      onLost: (reason) => lost.reject(new MeshError("MESH_INTERNAL", reason)),
    },
    stack,
  );
  const startAll = async (children: readonly ChildPart[]): Promise<void> => {
    await orLost(Promise.all(children.map((child) => child.start())));
  };
  const members = plan.sites.map(({ member }) => member);
  const { store: choice, signal } = options;
  // Before anything else runs: a Redis that is not there is the one thing that an operator can mend.
  const store = stack.use(await openDemoStore(choice, { dir: plan.dir, members, signal }));
  const [home, ...others] = plan.sites;
  if (home === undefined) throw new RangeError("The demo needs a member");
  // Processes first: they load the program while the trust material is being made. The other members'
  // wait, or a small machine would load all of them before anything is seen to work.
  const callers = parts.fork("callers", callersPart(plan));
  const early = [callers, ...forkSite(home, { parts, dir: plan.dir })];
  const issued = await orLost(issueTrust(plan, store.mesh));
  options.onStep(`one root, ${plan.sites.length} members in the charter, ${issued} identities`);
  const agents = await orLost(startAgents({ plan, store }, stack));
  options.onStep(`${agents.length} agents share a catalog of signed shards in ${store.about}`);
  await startAll(early);
  callers.startLoad();
  options.onStep(firstText(await orLost(firstAnswer(watch))));
  const firstRequestMs = performance.now();
  const late = others.flatMap((site) => forkSite(site, { parts, dir: plan.dir }));
  await startAll([...late, parts.fork("wan", wanPart(plan))]);
  const sidecars = plan.sites.reduce((sum, site) => sum + site.workloads.length, 0);
  options.onStep(`${sidecars} sidecars and ${plan.sites.length} gateways configured over xDS`);
  await orLost(everyCallerHome(plan, watch));
  options.onStep("the callers of every region are served at home");
  return {
    apiUrls: agents.map((agent) => agent.httpUrl),
    firstRequestMs,
    samples: () => samples,
    forgetSamples: () => void samples.splice(0),
    drain: (member, { isOn }) =>
      drainSite(plan, { member, isOn, part: parts.named(workloadsName(member)) }),
    crash: (member) => parts.named(workloadsName(member)).kill(),
    restart: (member) =>
      parts.fork(workloadsName(member), workloadsPart(siteOf(plan, member))).start(),
    gateway: (member) => parts.named(gatewayName(member)),
    rotation: createDemoRotation({ dir: plan.dir, httpUrl: agents[0]?.httpUrl ?? "", signal }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** All processes by name; a name that is forked again is replaced. */
interface Parts {
  readonly fork: (name: string, part: Part) => ChildPart;
  readonly named: (name: string) => ChildPart;
}

function createParts(
  options: Omit<ChildPartOptions, "part" | "logFile"> & { readonly dir: string },
  stack: AsyncDisposableStack,
): Parts {
  const all = new Map<string, ChildPart>();
  return {
    fork: (name, part) => {
      const logFile = join(options.dir, `${name}.log`);
      const child = stack.use(new ChildPart(name, { ...options, part, logFile }));
      all.set(name, child);
      return child;
    },
    named: (name) => {
      const child = all.get(name);
      if (child === undefined) throw new RangeError(`The demo has no part "${name}"`);
      return child;
    },
  };
}

function forkSite(
  site: SitePlan,
  by: { readonly parts: Parts; readonly dir: string },
): ChildPart[] {
  const { name } = site.member;
  return [
    by.parts.fork(workloadsName(name), workloadsPart(site)),
    by.parts.fork(gatewayName(name), gatewayPart(site, by.dir)),
  ];
}

function workloadsName(member: MemberName): string {
  return `${member}-workloads`;
}

function gatewayName(member: MemberName): string {
  return `${member}-gateway`;
}

interface World {
  readonly plan: DemoPlan;
  readonly store: DemoStore;
}

async function startAgents(
  world: World,
  stack: AsyncDisposableStack,
): Promise<readonly RunningAgent[]> {
  const start = async (site: SitePlan): Promise<RunningAgent> => {
    const agent = await startSiteAgent(site, world);
    const stop = (): Promise<void> => agent.stop({ deadlineMs: stopDeadlineMs });
    // The demo may have been ended while this one was starting.
    if (stack.disposed) await stop();
    else stack.defer(stop);
    return agent;
  };
  return Promise.all(world.plan.sites.map(start));
}

function startSiteAgent(site: SitePlan, world: World): Promise<RunningAgent> {
  const { dir } = world.plan;
  const { name, cloud, region } = site.member;
  const config: AgentConfig = {
    mesh: world.store.mesh,
    member: { name, cloud, region, network: parseNetworkName(name) },
    trust: { dir: trustDir(dir, site), ...rootOf(site, world.plan) },
    catalog: { leaseMs: 10_000, snapshotDir: join(dir, name, "state"), expireAfterMs: 86_400_000 },
    sources: [{ t: "files", dir: servicesDir(dir, site.member) }],
    gateway: { addresses: [site.gatewayDoor] },
    xds: { listen: site.xds },
    http: { listen: site.http },
    logLevel: "info",
  };
  const log = demoLog(join(dir, `${name}-agent.log`));
  return startAgent(config, { stores: [world.store.connect(log)], log });
}

/** The first member's agent may use the root; the others ask it for their issuers. */
function rootOf(site: SitePlan, { dir, sites }: DemoPlan): Omit<AgentConfig["trust"], "dir"> {
  const [first] = sites;
  if (first === undefined || first === site) {
    return { signer: { t: "file", file: join(rootDir(dir), "root.key") } };
  }
  return { renewAt: [first.xds] };
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
    await replaceFile(join(folder, name), { text: change.isOn ? next : text, mode: 0o644 });
  }
  change.part.drain(shownService, { isOn: change.isOn });
}

function siteOf(plan: DemoPlan, member: MemberName): SitePlan {
  const site = plan.sites.find((each) => each.member.name === member);
  if (site === undefined) throw new RangeError(`The demo has no member "${member}"`);
  return site;
}

interface Watch {
  readonly samples: readonly Sample[];
  readonly signal: AbortSignal;
}

async function firstAnswer({ samples, signal }: Watch): Promise<Sample> {
  const found = (): Sample | undefined => samples.find(({ servedBy }) => servedBy !== undefined);
  await until(() => found() !== undefined, { samples, signal });
  const first = found();
  if (first === undefined) throw new MeshError("MESH_UNREACHABLE", "Cannot end before it began");
  return first;
}

/** The members that start later are served by the first one until their own workloads are healthy. */
async function everyCallerHome(plan: DemoPlan, watch: Watch): Promise<void> {
  const callers = plan.sites.filter(({ member }) => member.hasCallers);
  const isHome = ({ member }: SitePlan): boolean => {
    const own = watch.samples.filter(
      ({ caller, service }) => caller === member.name && service === shownService,
    );
    return own.length > 0 && own.slice(-settledCount).every((one) => one.servedBy === member.name);
  };
  await until(() => callers.every(isHome), watch);
}

async function until(isTrue: () => boolean, { samples, signal }: Watch): Promise<void> {
  const deadlineMs = performance.now() + firstRequestLimitMs;
  while (!isTrue()) {
    if (signal.aborted || performance.now() > deadlineMs) {
      const why = samples.findLast(({ failure }) => failure !== undefined)?.failure ?? "no answer";
      throw new MeshError("MESH_UNREACHABLE", `Cannot send requests through the mesh: ${why}`);
    }
    await pause(10, signal);
  }
}

function firstText({ caller, service, servedBy }: Sample): string {
  return `first request through the mesh: ${caller} → ${service} in ${servedBy ?? "?"}`;
}
