import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Region, regionNames } from "../../../support/regions/regions.ts";
import type { MeshFault } from "../fault.ts";
import type { Hub } from "../hub.ts";
import type { FaultMesh } from "../mesh.ts";

const base = { http: "books", tcp: "vault", struck: [], allowed: ["us/"], rttMs: 60 } as const;
const quiet = { ...base, row: "control plane dead" } as const;
/** Meanwhile one of four local workloads dies, and nobody may tell the proxies. */
const alone = {
  http: "cart",
  tcp: "ledger",
  struck: ["eu/a/shop-1"],
  allowed: ["eu/"],
  row: "control plane dead, app dies",
} as const;
const untilDeathMs = 3000;
const deadMs = 15_000;
const clockFile = fileURLToPath(new URL("../clock-shift.ts", import.meta.url));
const minuteMs = 60_000;

/** What happens to agents and hubs: proxies must not notice. */
export const controlFaults: readonly MeshFault[] = [
  {
    ...quiet,
    name: "agent-killed",
    title: "the caller's agent is killed",
    strike: (mesh) => mesh.part("eu/agent").kill(),
    mend: (mesh) => mesh.part("eu/agent").start(),
  },
  {
    ...quiet,
    name: "agent-hung",
    title: "the caller's agent hangs",
    strike: (mesh) => mesh.part("eu/agent").signal("SIGSTOP"),
    mend: (mesh) => mesh.part("eu/agent").signal("SIGCONT"),
  },
  {
    ...quiet,
    name: "next-agent-killed",
    title: "the next region's agent is killed",
    strike: (mesh) => mesh.part("us/agent").kill(),
    mend: (mesh) => mesh.part("us/agent").start(),
  },
  {
    ...alone,
    name: "agents-killed",
    title: "all agents are killed, and a local workload meanwhile",
    lastsMs: deadMs,
    prepare: async (mesh) => {
      await eachRegion((region) => mesh.part(`${region}/agent`).kill());
      await wait(untilDeathMs);
    },
    strike: dies,
    mend: async (mesh) => {
      await eachRegion((region) => mesh.part(`${region}/agent`).start());
      await comesBack(mesh);
    },
  },
  {
    ...alone,
    name: "agents-hung",
    title: "all agents hang, and a local workload dies meanwhile",
    lastsMs: deadMs,
    prepare: async (mesh) => {
      await eachRegion((region) => mesh.part(`${region}/agent`).signal("SIGSTOP"));
      await wait(untilDeathMs);
    },
    strike: dies,
    mend: async (mesh) => {
      await eachRegion((region) => mesh.part(`${region}/agent`).signal("SIGCONT"));
      await comesBack(mesh);
    },
  },
  hubsKilled("hubs-killed", deadMs),
  { ...hubsKilled("hubs-killed-long", 10 * minuteMs), isRare: true },
  ...regionNames.map((region) => hubFault(region, "killed")),
  ...regionNames.map((region) => hubFault(region, "hung")),
  {
    ...quiet,
    name: "hubs-flushed",
    title: "FLUSHALL on every hub",
    strike: (mesh) => eachHub(mesh, async (hub) => void (await hub.command("FLUSHALL"))),
    mend: async () => {},
  },
  {
    ...quiet,
    name: "hubs-full",
    title: "every hub's memory is full",
    strike: (mesh) => eachHub(mesh, (hub) => setMemory(hub, "1")),
    mend: (mesh) => eachHub(mesh, (hub) => setMemory(hub, "0")),
  },
  {
    ...quiet,
    name: "hubs-old",
    title: "every hub restarts with data from before",
    strike: async (mesh) => {
      await eachHub(mesh, async (hub) => void (await hub.command("SAVE")));
      await wait(untilDeathMs);
      await eachHub(mesh, (hub) => hub.kill());
      await eachHub(mesh, (hub) => hub.start());
    },
    mend: async () => {},
  },
  {
    ...quiet,
    name: "agent-restart-no-hub",
    title: "the caller's agent restarts while every hub is down",
    strike: async (mesh) => {
      await eachHub(mesh, (hub) => hub.kill());
      await mesh.part("eu/agent").kill();
      await mesh.part("eu/agent").start();
    },
    mend: (mesh) => eachHub(mesh, (hub) => hub.start()),
  },
  clockFault("clock-ahead", "the next region's clocks are 10 min ahead", 10 * minuteMs),
  clockFault("clock-behind", "the next region's clocks are 10 min behind", -10 * minuteMs),
];

function hubsKilled(name: string, lastsMs: number): MeshFault {
  return {
    ...alone,
    name,
    title: `all hubs are killed for ${lastsMs / 1000} s and come back empty, and a local workload dies meanwhile`,
    lastsMs,
    prepare: async (mesh) => {
      await eachHub(mesh, (hub) => hub.kill());
      await wait(untilDeathMs);
    },
    strike: dies,
    mend: async (mesh) => {
      await eachHub(mesh, (hub) => hub.start());
      await comesBack(mesh);
    },
  };
}

function hubFault(region: Region, how: "hung" | "killed"): MeshFault {
  return {
    ...quiet,
    name: `hub-${region}-${how}`,
    isRare: region !== "eu",
    title: how === "hung" ? `the hub in ${region} hangs` : `the hub in ${region} is killed`,
    strike: async (mesh) => {
      if (how === "hung") mesh.hub(region).hang();
      else await mesh.hub(region).kill();
    },
    mend: async (mesh) => {
      if (how === "hung") mesh.hub(region).resume();
      else await mesh.hub(region).start();
    },
  };
}

/** Of the agent; its engines' certificates are judged by the machine's clock. */
function clockFault(name: string, title: string, shiftMs: number): MeshFault {
  const env = { NODE_OPTIONS: `--import=${clockFile}`, CLOCK_SHIFT_MS: String(shiftMs) };
  const restart = async (mesh: FaultMesh, own: Readonly<Record<string, string>>): Promise<void> => {
    await mesh.part("us/agent").end("SIGTERM");
    await mesh.part("us/agent").start({ env: own });
  };
  return {
    ...quiet,
    name,
    title,
    strike: (mesh) => restart(mesh, env),
    mend: (mesh) => restart(mesh, {}),
  };
}

async function dies(mesh: FaultMesh): Promise<void> {
  await mesh.part("eu/shop-1").kill();
  await mesh.killApp("eu/shop-1");
}

async function comesBack(mesh: FaultMesh): Promise<void> {
  await mesh.startApp("eu/shop-1");
  await mesh.part("eu/shop-1").start();
}

async function setMemory(hub: Hub, bytes: string): Promise<void> {
  await hub.command("CONFIG", "SET", "maxmemory", bytes);
}

async function eachRegion(act: (region: Region) => Promise<void>): Promise<void> {
  await Promise.all(regionNames.map(act));
}

async function eachHub(mesh: FaultMesh, act: (hub: Hub) => Promise<void>): Promise<void> {
  await eachRegion((region) => act(mesh.hub(region)));
}
