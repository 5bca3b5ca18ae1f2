import type { MemberName } from "../../mesh/ids.ts";
import { parseMemberName } from "../../mesh/ids.ts";

/** One member of the demo's mesh. */
export interface DemoMember {
  readonly name: MemberName;
  readonly cloud: string;
  readonly region: string;
  /** Round-trip time that others measure to its gateway: what makes one region nearer than another. */
  readonly rttMs: number;
  /** Folder under the example that describes it. */
  readonly example: string;
  /** Whether steady traffic starts here. */
  readonly hasCallers: boolean;
}

type Place = Omit<DemoMember, "name"> & { readonly name: string };

// The first three and the VM site are the example's own; more of them repeat its folders elsewhere.
const clusters: readonly Place[] = [
  {
    name: "eks-us-east-1",
    cloud: "aws",
    region: "us-east-1",
    rttMs: 12,
    example: "eks-us-east-1",
    hasCallers: true,
  },
  {
    name: "aks-westeurope",
    cloud: "azure",
    region: "westeurope",
    rttMs: 30,
    example: "aks-westeurope",
    hasCallers: true,
  },
  {
    name: "gke-asia-east1",
    cloud: "gcp",
    region: "asia-east1",
    rttMs: 60,
    example: "gke-asia-east1",
    hasCallers: true,
  },
  {
    name: "eks-eu-north-1",
    cloud: "aws",
    region: "eu-north-1",
    rttMs: 75,
    example: "eks-us-east-1",
    hasCallers: true,
  },
  {
    name: "aks-brazilsouth",
    cloud: "azure",
    region: "brazilsouth",
    rttMs: 90,
    example: "aks-westeurope",
    hasCallers: true,
  },
  {
    name: "gke-australia",
    cloud: "gcp",
    region: "australia-se1",
    rttMs: 110,
    example: "gke-asia-east1",
    hasCallers: true,
  },
];
const vmSite: Place = {
  name: "onprem",
  cloud: "onprem",
  region: "frankfurt",
  rttMs: 20,
  example: "onprem",
  hasCallers: false,
};

export const clusterLimits: { readonly least: number; readonly most: number } = {
  least: 3,
  most: clusters.length,
};

/** The clusters asked for and, always, the VM site. */
export function demoMembers(clusterCount: number): readonly DemoMember[] {
  return [...clusters.slice(0, clusterCount), vmSite].map((place) => ({
    ...place,
    name: parseMemberName(place.name),
  }));
}
