import { once } from "node:events";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";

/** An application that says who it is. */
export interface App {
  readonly port: number;
  /** As a process dies: connections are reset. */
  readonly kill: () => Promise<void>;
}

export async function startApp(name: string, port: number, host = "127.0.0.1"): Promise<App> {
  const server: Server = createServer((_request, response) => {
    response.end(`${name}\n`);
  });
  // On a busy machine a caller may come back late to a connection that it kept.
  server.keepAliveTimeout = 0;
  server.listen(port, host);
  await once(server, "listening");
  const kill = async (): Promise<void> => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return { port, kill };
}

export interface WorkloadWords {
  readonly name: string;
  readonly port: number;
  /** Default: 127.0.0.1, zone a. */
  readonly address?: string;
  readonly zone?: string;
  /** Keeps its connections and gets no new ones. */
  readonly isDraining?: boolean;
}

/** One service with its workloads as Kubernetes would say it; replaced in one step. */
export async function writeService(
  folder: string,
  service: {
    readonly name: string;
    readonly isExported: boolean;
    readonly workloads: readonly WorkloadWords[];
    /** Default: `http`, which says what is spoken, too. */
    readonly portName?: string;
    /** Default: its own name. */
    readonly serviceAccount?: string;
  },
): Promise<void> {
  const { name, portName = "http", serviceAccount = name } = service;
  const slices = service.workloads.map(
    (workload) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${workload.name}
  namespace: shop
  labels: { kubernetes.io/service-name: ${name} }
  annotations: { isthmus.dev/service-account: ${serviceAccount}, isthmus.dev/probe: "http:${workload.port}/" }
addressType: ${workload.address?.includes(":") === true ? "IPv6" : "IPv4"}
ports: [{ name: ${portName}, port: ${workload.port}, protocol: TCP }]
endpoints:
  - addresses: ["${workload.address ?? "127.0.0.1"}"]
    conditions: { ready: ${workload.isDraining !== true}, serving: true, terminating: ${workload.isDraining === true} }
    zone: ${workload.zone ?? "a"}
    targetRef: { kind: Pod, namespace: shop, name: ${workload.name} }
`,
  );
  const exported = `---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: ${name}, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
`;
  const text = `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec:
  ports: [{ name: ${portName}, port: 80, targetPort: ${portName}, protocol: TCP }]
${slices.join("")}${service.isExported ? exported : ""}`;
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${name}.yaml`);
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
