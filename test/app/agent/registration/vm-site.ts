import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type { AgentConfig, EngineKind } from "../../../../src/app/config/config.ts";
import type { RunningEngine } from "../../../../src/app/launcher/engine-launcher.ts";
import { formatHostPort, type HostPort } from "../../../../src/mesh/address.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import { type GroupId, readGroupId } from "../../../../src/mesh/workload-group.ts";
import { freePorts } from "../../support/free-port.ts";
import { type App, startApp } from "../../support/shop.ts";
import { local, type TestMesh } from "../../support/test-mesh.ts";

export const member = "east";

function groupId(text: string): GroupId {
  const id = readGroupId(text);
  if (id === undefined) throw new TypeError(text);
  return id;
}

/** A service that selects a group whose workloads listen on that port. */
export async function writeGroup(
  mesh: TestMesh,
  group: {
    readonly port: number;
    readonly disconnect?: string;
    readonly healthCheck?: string;
    readonly labels?: string;
    readonly serviceAccount?: string;
  },
): Promise<void> {
  const { port, disconnect = "{}", labels = "{ app: cart }", serviceAccount = "cart" } = group;
  const check = group.healthCheck === undefined ? "" : `  healthCheck: ${group.healthCheck}\n`;
  const text = `apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec:
  selector: { app: cart }
  ports: [{ name: http, port: 80, targetPort: http }]
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: cart, namespace: shop }
---
apiVersion: isthmus.dev/v1alpha1
kind: WorkloadGroup
metadata: { name: carts, namespace: shop }
spec:
  serviceAccount: ${serviceAccount}
  labels: ${labels}
  locality: { zone: rack-1 }
  ports: [{ name: http, port: ${port} }]
  disconnect: ${disconnect}
  upstreams: [{ service: shop/stock, port: 80 }]
${check}`;
  const folder = mesh.servicesDir(member);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, ".new"), text);
  await rename(join(folder, ".new"), join(folder, "carts.yaml"));
}

export function siteConfig(mesh: TestMesh): AgentConfig {
  const config = mesh.agentConfig(member, "us-east-1", 1);
  return { ...config, sources: [...config.sources, { t: "registration" }] };
}

/** A VM with an application that says its name, behind a sidecar that registers it. */
export interface Vm {
  readonly app: App;
  readonly sidecar: RunningEngine;
}

/** All listen on one port: an address of its own tells a VM apart. */
export async function startVm(
  mesh: TestMesh,
  {
    name,
    address,
    port,
    agents,
    hasApp = false,
    engine = "embedded",
  }: {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    readonly agents: readonly HostPort[];
    /** The application runs already. */
    readonly hasApp?: boolean;
    readonly engine?: EngineKind;
  },
): Promise<Vm> {
  const app = hasApp ? { port, kill: async () => undefined } : await startApp(name, port, address);
  mesh.defer(app.kill);
  const [agent = local(0), ...otherAgents] = agents;
  const [listen = 0] = await freePorts(1);
  const at = { host: address, port };
  const sidecar = await mesh.startSidecar(member, {
    agent,
    ...(otherAgents.length === 0 ? {} : { otherAgents }),
    workload: name,
    serviceAccount: "cart",
    engine,
    inbound: [{ endpoint: at, listen: { host: address, port: listen }, app: at }],
    registration: { group: groupId("shop/carts"), allowExec: false },
  });
  return { app, sidecar };
}

/** The sidecar of a caller; returns the URL under which it reaches `cart`. */
export async function startShopper(mesh: TestMesh, agent: RunningAgent): Promise<string> {
  const [port = 0] = await freePorts(1);
  const at = local(port);
  const sidecar = await mesh.startSidecar(member, {
    agent: agent.xds,
    workload: "shopper",
    serviceAccount: "shopper",
    upstreams: [{ service: parseServiceId("shop/cart"), port: 80, listen: at }],
  });
  await sidecar.whenReady;
  return `http://${formatHostPort(at)}/`;
}
