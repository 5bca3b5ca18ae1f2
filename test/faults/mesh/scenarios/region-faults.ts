import type { MeshFault } from "../fault.ts";
import type { FaultMesh } from "../mesh.ts";

/** Callers in eu reach these in us, and in ap, 120 ms away, when us is away. */
const region = {
  http: "books",
  tcp: "vault",
  rttMs: 120,
  struck: ["us/"],
  row: "region silent",
} as const;
const heal = (mesh: FaultMesh): Promise<void> => mesh.regions.heal();

/** What cuts the next region off, both ways or one way. */
export const regionFaults: readonly MeshFault[] = [
  {
    ...region,
    name: "region-silent",
    title: "the next region is cut off from all others",
    strike: (mesh) => mesh.regions.isolate("us"),
    mend: heal,
  },
  {
    ...region,
    name: "region-no-answers",
    title: "packets from the next region are lost, those to it arrive",
    strike: (mesh) => mesh.regions.partition("us", "eu", { isOneWay: true }),
    mend: heal,
  },
  {
    ...region,
    name: "region-not-reached",
    title: "packets to the next region are lost, those from it arrive",
    strike: (mesh) => mesh.regions.partition("eu", "us", { isOneWay: true }),
    mend: heal,
  },
];
