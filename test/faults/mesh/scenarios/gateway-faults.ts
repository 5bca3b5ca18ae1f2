import type { MeshFault } from "../fault.ts";
import type { FaultMesh } from "../mesh.ts";

/** Callers in eu reach these in us, and in ap, 120 ms away, what us cannot carry. */
const remote = { http: "books", tcp: "vault", rttMs: 120 } as const;
const one = { ...remote, struck: [], allowed: ["us/"] } as const;
const region = { ...remote, struck: ["us/"], row: "region silent" } as const;
const gateways = ["us/gateway-1", "us/gateway-2"];

/** What happens to gateways of the next region, and behind them. */
export const gatewayFaults: readonly MeshFault[] = [
  {
    ...remote,
    struck: ["us/a/shop-1"],
    allowed: ["us/"],
    name: "remote-app-dead",
    title: "one application is dead behind its sidecar, behind a gateway",
    row: "app dead behind its sidecar",
    strike: (mesh) => mesh.killApp("us/shop-1"),
    mend: (mesh) => mesh.startApp("us/shop-1"),
  },
  {
    ...one,
    name: "gateway-killed",
    title: "one of two gateways of the next region is killed",
    row: "one gateway killed",
    strike: (mesh) => mesh.part("us/gateway-1").kill(),
    mend: (mesh) => mesh.part("us/gateway-1").start(),
  },
  {
    ...one,
    name: "gateway-hung",
    title: "one of two gateways of the next region hangs",
    row: "one gateway silent",
    strike: (mesh) => mesh.part("us/gateway-1").signal("SIGSTOP"),
    mend: (mesh) => mesh.part("us/gateway-1").signal("SIGCONT"),
  },
  {
    ...region,
    name: "gateways-killed",
    title: "both gateways of the next region are killed",
    strike: async (mesh) =>
      void (await Promise.all(gateways.map((name) => mesh.part(name).kill()))),
    mend: async (mesh) => void (await Promise.all(gateways.map((name) => mesh.part(name).start()))),
  },
  {
    ...region,
    name: "gateways-hung",
    title: "both gateways of the next region hang",
    strike: (mesh) => signalGateways(mesh, "SIGSTOP"),
    mend: (mesh) => signalGateways(mesh, "SIGCONT"),
  },
];

async function signalGateways(mesh: FaultMesh, word: NodeJS.Signals): Promise<void> {
  await Promise.all(gateways.map((name) => mesh.part(name).signal(word)));
}
