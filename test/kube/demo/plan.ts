/** The engine of every sidecar and gateway. */
export type Engine = "embedded" | "envoy";

/** One member of the demo: a cluster of its own, and the addresses that its pods have. */
export interface MemberPlan {
  readonly name: string;
  /** Which manifests of `deploy/`. */
  readonly overlay: "eks" | "gke";
  readonly cloud: string;
  readonly region: string;
  readonly zones: readonly string[];
  /** First two parts of every address. */
  readonly network: string;
}

export const meshDomain = "acme.mesh";
export const shop = "shop";

export const east: MemberPlan = {
  name: "eks-us-east-1",
  overlay: "eks",
  cloud: "aws",
  region: "us-east-1",
  zones: ["us-east-1a", "us-east-1b"],
  network: "10.1",
};

export const west: MemberPlan = {
  name: "gke-europe-west1",
  overlay: "gke",
  cloud: "gcp",
  region: "europe-west1",
  zones: ["europe-west1-b", "europe-west1-c"],
  network: "10.2",
};

// What of a member's address space exists.
const podsPerMember = 16;

/** Where infrastructure and pods of a member listen. */
export const addressesOf = ({
  network,
}: MemberPlan): {
  readonly agent: string;
  readonly gateway: string;
  readonly pod: (index: number) => string;
  readonly all: readonly string[];
} => {
  const agent = `${network}.0.1`;
  const gateway = `${network}.0.2`;
  const pod = (index: number): string => `${network}.1.${index + 1}`;
  const pods = Array.from({ length: podsPerMember }, (_, index) => pod(index));
  return { agent, gateway, pod, all: [agent, gateway, ...pods] };
};

export const ports = {
  app: 8080,
  inbound: 15_006,
  upstream: 15_101,
  xds: 15_012,
  gateway: 15_443,
  admin: 15_021,
  api: 15_080,
  dns: 15_053,
  webhook: 15_017,
} as const;
