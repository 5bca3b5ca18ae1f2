import type { LinkState } from "../../../support/regions/regions.ts";
import type { MeshFault } from "../fault.ts";
import type { FaultMesh } from "../mesh.ts";

const base = {
  http: "books",
  tcp: "vault",
  struck: [],
  allowed: ["us/"],
  row: "links slow or lossy",
  rttMs: 560,
} as const;

/** What wide networks do to every link of the next region without cutting it. */
export const linkFaults: readonly MeshFault[] = [
  {
    ...base,
    name: "slow-links",
    title: "+500 ms on every link of the next region",
    strike: (mesh) => links(mesh, (rttMs) => ({ rttMs: rttMs + 500 })),
    mend: (mesh) => links(mesh, (rttMs) => ({ rttMs })),
  },
  {
    ...base,
    name: "lossy-links",
    title: "every link of the next region loses 30 % of all packets",
    allowed: ["us/", "ap/"],
    strike: (mesh) => links(mesh, () => ({ lossRatio: 0.3 })),
    mend: (mesh) => links(mesh, () => ({ lossRatio: 0 })),
  },
];

const plainRttMs = { eu: 60, ap: 90 } as const;

async function links(
  { regions }: FaultMesh,
  change: (rttMs: number) => Partial<LinkState>,
): Promise<void> {
  await regions.link("eu", "us", change(plainRttMs.eu));
  await regions.link("us", "ap", change(plainRttMs.ap));
}
