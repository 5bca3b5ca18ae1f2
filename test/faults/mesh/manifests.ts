import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Region } from "../../support/regions/regions.ts";
import { type ServicePlan, servicesOf, type WorkloadPlan, workloadsOf } from "./plan.ts";

export interface ManifestOptions {
  readonly region: Region;
  readonly folder: string;
  readonly addressOf: (host: number) => string;
  /** Names of workloads that keep their connections and get no new ones. */
  readonly draining: ReadonlySet<string>;
}

/** What the member's API server would say; replaced file by file. */
export async function writeManifests(options: ManifestOptions): Promise<void> {
  await mkdir(options.folder, { recursive: true });
  for (const service of servicesOf(options.region)) {
    const slices = workloadsOf(options.region).map((workload) => slice(service, workload, options));
    const text = [head(service), ...slices, exported(service)].join("---\n");
    const file = join(options.folder, `${service.name}.yaml`);
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  }
}

function head({ name, protocol }: ServicePlan): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ports: [{ name: main, port: 80, targetPort: main, protocol: TCP, appProtocol: ${protocol} }] }
`;
}

function exported({ name }: ServicePlan): string {
  return `apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: ${name}, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
`;
}

function slice(service: ServicePlan, workload: WorkloadPlan, options: ManifestOptions): string {
  const { name, appPort, protocol } = service;
  const isDraining = options.draining.has(workload.name);
  const probe = protocol === "http" ? `http:${appPort}/` : `tcp:${appPort}`;
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-${workload.name}
  namespace: shop
  labels: { kubernetes.io/service-name: ${name} }
  annotations: { isthmus.dev/service-account: shop, isthmus.dev/probe: "${probe}" }
addressType: IPv4
ports: [{ name: main, port: ${appPort}, protocol: TCP }]
endpoints:
  - addresses: ["${options.addressOf(workload.host)}"]
    conditions: { ready: ${!isDraining}, serving: true, terminating: ${isDraining} }
    zone: ${workload.zone}
    targetRef: { kind: Pod, namespace: shop, name: ${workload.name} }
`;
}
