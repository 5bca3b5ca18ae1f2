/** One member, or callers of one with their sidecars, in a process of its own; it says when it was late. */

import type { HubConfig } from "../../../src/app/config/config.ts";
import { realClock, realTimers } from "../../../src/app/real-time.ts";
import { openRedisStore } from "../../../src/discovery/io/catalog/redis/redis-store.ts";
import { formatHostPort, type HostPort } from "../../../src/mesh/address.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import type { Log } from "../../../src/mesh/ports.ts";
import { freePorts } from "../../../test/app/support/free-port.ts";
import { startApp, writeService } from "../../../test/app/support/shop.ts";
import {
  local,
  startCaller,
  startMember,
  type TestMember,
  TestMesh,
} from "../../../test/app/support/test-mesh.ts";

export interface PartOrder {
  /** Where the mesh's folders are. */
  readonly dir: string;
  readonly member: string;
  readonly checkEveryMs: number;
  readonly work:
    | {
        readonly t: "member";
        readonly hub: HubConfig;
        /** Of an agent that may use the root; absent: it is this one. */
        readonly renewAt?: HostPort;
      }
    | {
        readonly t: "callers";
        readonly xds: HostPort;
        readonly count: number;
        /** With a service that an Envoy stands before, and an Envoy that calls it. */
        readonly hasEnvoys: boolean;
      };
}

export type ToPart =
  | { readonly t: "start"; readonly order: PartOrder }
  /** Its cart takes no new connections. */
  | { readonly t: "drain" }
  /** The agent ends, or starts again with what it has on its disk. */
  | { readonly t: "leave" }
  | { readonly t: "return" }
  | { readonly t: "stop" };

export type FromPart =
  | { readonly t: "member"; readonly xds: HostPort; readonly httpUrl: string }
  | { readonly t: "callers"; readonly urls: readonly string[] }
  | { readonly t: "done" }
  /** When (monotonic clock of the machine) its event loop came back, and by how much too late. */
  | { readonly t: "late"; readonly atMs: number; readonly ms: number }
  | { readonly t: "warned"; readonly atMs: number; readonly text: string };

const tickMs = 20;
const worthTellingMs = 100;
let mesh: TestMesh | undefined;
let member: TestMember | undefined;

/** Milliseconds by a clock that all processes of this machine share. */
function nowMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

const warn: Log["warn"] = (fields, message) =>
  tell({ t: "warned", atMs: nowMs(), text: `${message} ${JSON.stringify(fields)}` });
const log: Log = { debug: () => {}, info: () => {}, warn, error: warn };

process.on("message", (message: ToPart) => {
  take(message).catch((thrown: unknown) => {
    process.stderr.write(`${String(thrown)}\n`);
    process.exit(1);
  });
});

async function take(message: ToPart): Promise<void> {
  switch (message.t) {
    case "start":
      watch();
      return await start(message.order);
    case "drain":
      await member?.drain(true);
      return tell({ t: "done" });
    case "leave":
      await member?.agent.stop({ deadlineMs: 1000 });
      return tell({ t: "done" });
    case "return":
      await comeBack();
      return tell({ t: "done" });
    case "stop":
      await mesh?.[Symbol.asyncDispose]();
      return process.disconnect();
  }
}

async function start(next: PartOrder): Promise<void> {
  const opened = TestMesh.at(next.dir, log);
  mesh = opened;
  opened.checkEveryMs = next.checkEveryMs;
  const { work } = next;
  if (work.t === "callers") return tell({ t: "callers", urls: await startCallers(opened, next) });
  opened.trust.set(
    next.member,
    work.renewAt === undefined
      ? { signer: { t: "file", file: `${next.dir}/root/root.key` } }
      : { renewAt: [work.renewAt] },
  );
  const random = Math.random;
  const parts = { clock: realClock, timers: realTimers, random, log };
  opened.stores = () => [
    openRedisStore(work.hub, { mesh: opened.agentConfig(next.member, "", 0).mesh, ...parts }),
  ];
  member = await startMember(opened, next.member, regionOf(next.member));
  const { xds, httpUrl } = member.agent;
  await member.agent.whenWarm;
  tell({ t: "member", xds, httpUrl });
}

async function comeBack(): Promise<void> {
  if (mesh === undefined || member === undefined) throw new RangeError("It has not started");
  const { name, gatewayPort } = member;
  const config = mesh.agentConfig(name, regionOf(name), gatewayPort);
  const agent = await mesh.startAgent({ ...config, xds: { listen: member.agent.xds } });
  member = { ...member, agent };
}

async function startCallers(opened: TestMesh, of: PartOrder): Promise<readonly string[]> {
  if (of.work.t !== "callers") return [];
  const { xds, count, hasEnvoys } = of.work;
  const at = { name: of.member, agent: { xds } };
  const urls: string[] = [];
  for (let number = 1; number <= count; number += 1) {
    urls.push((await startCaller(opened, at, `caller-${number}`)).url);
  }
  if (hasEnvoys) urls.push(await startEnvoys(opened, at));
  return urls;
}

async function startEnvoys(
  opened: TestMesh,
  { name, agent: { xds } }: { readonly name: string; readonly agent: { readonly xds: HostPort } },
): Promise<string> {
  const [port = 0, inbound = 0, listen = 0] = await freePorts(3);
  opened.defer((await startApp(`till of ${name}`, port)).kill);
  const workload = `till-${name}`;
  await writeService(opened.servicesDir(name), {
    name: "till",
    isExported: true,
    workloads: [{ name: workload, port }],
  });
  const server = await opened.startSidecar(name, {
    agent: xds,
    workload,
    serviceAccount: "till",
    engine: "envoy",
    inbound: [{ endpoint: local(port), listen: local(inbound), app: local(port) }],
  });
  const caller = await opened.startSidecar(name, {
    agent: xds,
    workload: `envoy-caller-${name}`,
    serviceAccount: "envoy-caller",
    engine: "envoy",
    upstreams: [{ service: parseServiceId("shop/till"), port: 80, listen: local(listen) }],
  });
  await Promise.all([server.whenReady, caller.whenReady]);
  return `http://${formatHostPort(local(listen))}/`;
}

function regionOf(name: string): string {
  return `region-of-${name}`;
}

function watch(): void {
  let last = nowMs();
  setInterval(() => {
    const now = nowMs();
    const ms = now - last - tickMs;
    if (ms > worthTellingMs) tell({ t: "late", atMs: now, ms });
    last = now;
  }, tickMs).unref();
}

function tell(message: FromPart): void {
  if (process.connected) process.send?.(message);
}
