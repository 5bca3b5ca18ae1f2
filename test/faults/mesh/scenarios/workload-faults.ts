import type { MeshFault } from "../fault.ts";
import type { FaultMesh } from "../mesh.ts";
import { workloadsOf } from "../plan.ts";

const local = { http: "cart", tcp: "ledger" } as const;
/** The other three of the region have to take over. */
const one = { ...local, struck: ["eu/a/shop-1"], allowed: ["eu/"] } as const;
/** The next region has to take over. */
const each = { ...local, struck: ["eu/"], rttMs: 60 } as const;
const first = ["eu/shop-1"];
const all = workloadsOf("eu").map(({ name }) => `eu/${name}`);

/** What happens to workloads of the caller's own member. */
export const workloadFaults: readonly MeshFault[] = [
  {
    ...one,
    name: "local-drained",
    title: "one of four local workloads drains and ends",
    row: "local gone in good order",
    strike: (mesh) => mesh.drain("eu", ["shop-1"]),
    mend: (mesh) => mesh.drain("eu", []),
  },
  {
    ...each,
    name: "locals-drained",
    title: "all local workloads drain",
    row: "local gone in good order",
    strike: (mesh) =>
      mesh.drain(
        "eu",
        workloadsOf("eu").map(({ name }) => name),
      ),
    mend: (mesh) => mesh.drain("eu", []),
  },
  {
    ...one,
    name: "local-killed",
    title: "one of four local workloads is killed",
    ...killed(first),
  },
  { ...each, name: "locals-killed", title: "all local workloads are killed", ...killed(all) },
  { ...one, name: "local-hung", title: "one of four local workloads hangs", ...hung(first) },
  {
    ...each,
    name: "locals-hung",
    // What meets one hung workload after the other fails twice now and then: a miss that the table shows.
    isRare: true,
    title: "all local workloads hang",
    ...hung(all),
  },
  {
    ...one,
    name: "local-dropped",
    title: "packets of one of four local workloads are dropped",
    ...dropped(first),
  },
  {
    ...each,
    name: "locals-dropped",
    isRare: true,
    title: "packets of all local workloads are dropped",
    ...dropped(all),
  },
  {
    ...one,
    name: "app-dead",
    title: "one local application is dead behind its living sidecar",
    ...appDead(first),
  },
  {
    ...each,
    name: "apps-dead",
    title: "all local applications are dead behind their sidecars",
    ...appDead(all),
  },
  {
    ...one,
    name: "sidecar-replaced",
    title: "the sidecar of one local workload is replaced",
    row: "one replaced",
    strike: (mesh) => mesh.part("eu/shop-1").end("SIGTERM"),
    mend: (mesh) => mesh.part("eu/shop-1").start(),
  },
  {
    ...one,
    name: "sidecar-killed",
    title: "the sidecar of one local workload is killed",
    row: "local killed",
    strike: (mesh) => mesh.part("eu/shop-1").kill(),
    mend: (mesh) => mesh.part("eu/shop-1").start(),
  },
  {
    ...one,
    name: "sidecar-hung",
    isRare: true,
    title: "the sidecar of one local workload hangs",
    row: "local silent",
    strike: (mesh) => mesh.part("eu/shop-1").signal("SIGSTOP"),
    mend: (mesh) => mesh.part("eu/shop-1").signal("SIGCONT"),
  },
];

type Deed = Pick<MeshFault, "mend" | "row" | "strike">;

/** As a pod that ends: what listened there refuses. */
function killed(names: readonly string[]): Deed {
  return {
    row: "local killed",
    strike: (mesh) => forEach(names, (name) => kill(mesh, name)),
    mend: (mesh) => forEach(names, (name) => revive(mesh, name)),
  };
}

/** The sidecar first: one that outlives its application by a moment is another fault's subject. */
async function kill(mesh: FaultMesh, name: string): Promise<void> {
  await mesh.part(name).kill();
  await mesh.killApp(name);
}

async function revive(mesh: FaultMesh, name: string): Promise<void> {
  await mesh.startApp(name);
  await mesh.part(name).start();
}

/** The kernel still takes connections and acknowledges bytes. */
function hung(names: readonly string[]): Deed {
  const signal = (mesh: FaultMesh, word: NodeJS.Signals): Promise<void> =>
    forEach(names, async (name) => {
      mesh.apps.get(name)?.signal(word);
      await mesh.part(name).signal(word);
    });
  return {
    row: "local silent",
    strike: (mesh) => signal(mesh, "SIGSTOP"),
    mend: (mesh) => signal(mesh, "SIGCONT"),
  };
}

function dropped(names: readonly string[]): Deed {
  return {
    row: "local silent",
    strike: (mesh) => forEach(names, (name) => mesh.dropPackets(name)),
    mend: (mesh) => mesh.passPackets("eu"),
  };
}

function appDead(names: readonly string[]): Deed {
  return {
    row: "app dead behind its sidecar",
    strike: (mesh) => forEach(names, (name) => mesh.killApp(name)),
    mend: (mesh) => forEach(names, (name) => mesh.startApp(name)),
  };
}

async function forEach(
  names: readonly string[],
  act: (name: string) => Promise<void>,
): Promise<void> {
  await Promise.all(names.map(act));
}
