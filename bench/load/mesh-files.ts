/** The folder of a made-up mesh: trust of all members, and the own services as manifests. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeMember, makeRoot } from "../../src/app/trust-tasks.ts";
import { type MemberName, parseMemberName } from "../../src/mesh/ids.ts";
import { zones } from "./made-services.ts";

export const benchMesh = "bench.mesh";
/** The member whose agent is measured. */
export const self: MemberName = parseMemberName("east");

export interface MeshPlan {
  readonly dir: string;
  /** Members besides the own one. */
  readonly remotes: number;
  readonly localServices: number;
  readonly workloadsPerService: number;
  /** So many of the own services are exported, by the names that remote members share. */
  readonly exported: number;
}

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

export function trustDir(dir: string, member: MemberName): string {
  return join(dir, "trust", member);
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
