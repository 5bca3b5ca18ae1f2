/** The folder of a made-up mesh: trust of all members, the own services as manifests, an agent's file. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeMember, makeRoot } from "../../src/app/trust-tasks.ts";
import {
  type MemberName,
  parseMemberName,
  parseServiceId,
  workloadSpiffeId,
} from "../../src/mesh/ids.ts";
import {
  meshValidationName,
  outboundName,
  type ServiceSuffix,
  type ServiceTarget,
  validationName,
} from "../../src/mesh/names.ts";
import type { Endpoint, LocalService } from "../../src/mesh/service.ts";
import { loadMember } from "../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { issueSvid } from "../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../src/trust/keys.ts";
import { toPem } from "../../src/trust/pem.ts";
import type { FleetOrder } from "./xds-fleet.ts";

export const benchMesh = "bench.mesh";
/** The member whose agent is measured. */
export const self: MemberName = parseMemberName("east");
const caller = { namespace: "shop", serviceAccount: "frontend" };

/** What one remote member exports. */
export interface RemotePlan {
  readonly services: number;
  readonly workloads: number;
  /**
   * `shared`: all members export the same names, which is how traffic fails over. `own`: no two members
   * export one name, the dearest case, because nothing is put together.
   */
  readonly names: "shared" | "own";
  /** Gateway addresses, which answer probes; 0: none, and then nobody here can use what is exported. */
  readonly gateways: number;
}

export interface MeshPlan {
  readonly dir: string;
  /** Members besides the own one. */
  readonly remotes: number;
  readonly localServices: number;
  readonly workloadsPerService: number;
  /** So many of the own services are exported, by the names that remote members share. */
  readonly exported: number;
}

const zones = ["a", "b", "c"];
// Envoy's first request carries a node with the list of its extensions.
const envoyNodeBytes = 61_000;

export function remoteNames(count: number): readonly MemberName[] {
  return Array.from({ length: count }, (_, index) => parseMemberName(`remote-${index}`));
}

/** Writes `root`, `trust/<member>` and `services`. */
export async function makeMesh(plan: MeshPlan): Promise<void> {
  const root = join(plan.dir, "root");
  await makeRoot({ mesh: benchMesh, dir: root });
  const members = [self, ...remoteNames(plan.remotes)];
  // One after the other: each raises the number of the charter that the next one extends.
  for (const [index, name] of members.entries()) {
    await makeMember({
      name,
      dir: root,
      out: trustDir(plan.dir, name),
      cloud: "aws",
      region: `region-${index}`,
      network: undefined,
      gatewayRanges: ["127.0.0.0/8"],
      mayExport: ["shop"],
      renew: false,
    });
  }
  const charter = join(root, "charter.json");
  for (const name of members)
    await copyFile(charter, join(trustDir(plan.dir, name), "charter.json"));
  await mkdir(join(plan.dir, "services"));
  for (let index = 0; index < plan.localServices; index += 1) {
    const text = manifest(index, plan);
    await writeFile(join(plan.dir, "services", `s${index}.yaml`), text);
  }
}

/** A fleet of sidecars of the own member, each with a certificate of its own. */
export async function callers(
  dir: string,
  count: number,
): Promise<Pick<FleetOrder, "count" | "sidecar" | "tls" | "nodeBytes">> {
  const { issuer, bundle, trustDomain } = await loadMember(trustDir(dir, self));
  const id = workloadSpiffeId(trustDomain, caller);
  const tls: { cert: string; key: string; ca: string }[] = [];
  for (let index = 0; index < count; index += 1) {
    const key = newPrivateKey();
    const leaf = await issueSvid({ issuer, id, spki: spkiOf(key), nowMs: Date.now() });
    const cert = toPem("CERTIFICATE", leaf.der) + toPem("CERTIFICATE", issuer.certificate.der);
    tls.push({ cert, key: privateKeyPemOf(key).reveal(), ca: bundle.pem });
  }
  return { count, tls, nodeBytes: envoyNodeBytes, sidecar: { ...caller, zones } };
}

/** All that a sidecar asks for which knows the whole mesh, and how many resources that is. */
export function wholeMesh(services: {
  readonly local: readonly string[];
  /** Of these names, the ones under `clusterset.local` too. */
  readonly exported: readonly string[];
}): Pick<FleetOrder, "subscriptions" | "expected"> {
  const all = [...new Set([...services.local, ...services.exported])];
  const clusters = [
    ...all.map((name) => outboundName(targetOf(name, "svc.cluster.local"))),
    ...services.exported.map((name) => outboundName(targetOf(name, "svc.clusterset.local"))),
  ];
  const secrets = [
    meshValidationName,
    ...all.map((name) => validationName(targetOf(name, "svc.cluster.local").service)),
  ];
  return {
    subscriptions: [
      { type: "cluster", names: [] },
      { type: "endpoint", names: clusters },
      { type: "secret", names: secrets },
    ],
    expected: 2 * clusters.length + secrets.length,
  };
}

function targetOf(name: string, suffix: ServiceSuffix): ServiceTarget {
  return { service: parseServiceId(`shop/${name}`), port: 80, suffix };
}

export function localName(index: number): string {
  return `s${index}`;
}

export function remoteName(
  plan: RemotePlan,
  at: { readonly member: number; readonly index: number },
): string {
  return plan.names === "shared" ? localName(at.index) : `s${at.index}-of-${at.member}`;
}

export function trustDir(dir: string, member: MemberName): string {
  return join(dir, "trust", member);
}

/** A service of a remote member as its own agent would know it; every workload has a sidecar. */
export function remoteService(
  plan: RemotePlan,
  at: { readonly member: number; readonly index: number; readonly downZone?: string },
): LocalService {
  const workloads = workloadsOf(plan, at.index);
  return {
    id: parseServiceId(`shop/${remoteName(plan, at)}`),
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
    endpoints: Array.from({ length: workloads }, (_, host) => endpoint(host, at)),
    exported: { createdAtMs: Date.UTC(2026, 0, 1) },
  };
}

/** The first services have one workload more where it does not come out even. */
function workloadsOf({ workloads, services }: RemotePlan, index: number): number {
  return Math.floor(workloads / services) + (index < workloads % services ? 1 : 0);
}

function endpoint(
  host: number,
  at: { readonly member: number; readonly index: number; readonly downZone?: string },
): Endpoint {
  const address = `10.${at.member % 250}.${at.index % 250}.${(host + 16 * Math.floor(at.index / 250)) % 250}`;
  const zone = zones[host % zones.length] ?? "a";
  return {
    workload: `s${at.index}-${host}`,
    address,
    ports: { http: 8080 },
    zone,
    health: zone === at.downZone ? "unhealthy" : "healthy",
    serviceAccount: `s${at.index}`,
    sidecars: { http: { address, port: 15_006 } },
  };
}

function manifest(index: number, plan: MeshPlan): string {
  const hosts = Array.from({ length: plan.workloadsPerService }, (_, host) => {
    const address = `10.${host}.${index >> 8}.${index & 255}`;
    const zone = zones[host % zones.length];
    return `  - { addresses: ["${address}"], zone: ${zone}, conditions: { ready: true } }\n`;
  });
  const exported = `---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: s${index}, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
`;
  return `apiVersion: v1
kind: Service
metadata: { name: s${index}, namespace: shop }
spec: { ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s${index}-1
  namespace: shop
  labels: { kubernetes.io/service-name: s${index} }
  annotations: { isthmus.dev/service-account: s${index} }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
${hosts.join("")}${index < plan.exported ? exported : ""}`;
}
