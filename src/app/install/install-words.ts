import { parseHubUrl } from "../../discovery/io/catalog/redis/link/hub-url.ts";
import { isIp } from "../../mesh/address.ts";
import { MeshError } from "../../mesh/errors.ts";
import { parseMemberName, parseMeshDomain, parseNetworkName } from "../../mesh/ids.ts";

export type Cloud = "eks" | "aks" | "gke";
export const clouds: readonly Cloud[] = ["eks", "aks", "gke"];

/** What an operator says of a new cluster, as typed. */
export interface InstallWords {
  readonly cloud: Cloud;
  readonly mesh: string;
  readonly member: string;
  readonly region: string;
  readonly network: string | undefined;
  /** URLs; at least one. */
  readonly hubs: readonly string[];
  /** Undefined: as the cloud's managed Redis has it. */
  readonly hubUser: string | undefined;
  /** The Secret holds the certificate authority of hubs as `ca.pem`. */
  readonly hasHubCa: boolean;
  /** `HOST` or `HOST:PORT`, as other members reach the gateways; none: what the load balancer of their Service gets. */
  readonly gatewayAddresses: readonly string[];
  readonly image: string | undefined;
  /** What injected pods get: it holds Envoy, too. */
  readonly sidecarImage: string | undefined;
  /** The gateways' load balancer is reached from the internet. */
  readonly isPublic: boolean;
  /** The clusterIP of the DNS Service, to which the cluster's own DNS forwards. */
  readonly dnsIp: string | undefined;
  /** A role's ARN, a client id, a service account. */
  readonly workloadIdentity: string | undefined;
  readonly withoutCrds: boolean;
}

/** Throws MESH_USAGE. */
export function parseCloud(text: string): Cloud {
  const cloud = clouds.find((one) => one === text);
  if (cloud !== undefined) return cloud;
  throw new MeshError(
    "MESH_USAGE",
    `Cannot use cloud "${text}": it is none of ${clouds.join(", ")}; other clusters take the nearest and edit it`,
  );
}

/** Throws MESH_ID_INVALID, MESH_ADDRESS_INVALID and MESH_USAGE: before anything is printed. */
export function checkWords(words: InstallWords): void {
  parseMeshDomain(words.mesh);
  parseMemberName(words.member);
  if (words.network !== undefined) parseNetworkName(words.network);
  if (words.hubs.length === 0) {
    throw usage("no hub is named: agents of a cluster meet over one; see --hub");
  }
  for (const hub of words.hubs) parseHubUrl(hub);
  if (words.dnsIp !== undefined && !isIp(words.dnsIp)) {
    throw usage(`--dns-ip "${words.dnsIp}" is no IP address`);
  }
}

function usage(truth: string): MeshError {
  return new MeshError("MESH_USAGE", `Cannot write manifests: ${truth}`);
}
