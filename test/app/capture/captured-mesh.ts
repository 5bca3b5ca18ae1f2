// A member whose applications know nothing of their sidecars: pods on one node, an agent, real Envoys.
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeGateway, makeMember, makeRoot, makeWorkload } from "../../../src/app/trust-tasks.ts";
import { Part } from "../../faults/mesh/part.ts";
import { PodApp } from "../../support/pods/pod-app.ts";
import { nodeAddress, openPods, type Pods, type Ran } from "../../support/pods/pods.ts";

export type PodName = "frontend" | "cartone" | "carttwo" | "strict" | "plain";

const program = join(import.meta.dirname, "../../../bin/isthmus.mjs");
const sidecarGid = 1_337;
const openedTotal = "envoy_cluster_upstream_cx_total{";

/** By service, where applications dial it. */
export const clusterIps = {
  cart: { v4: "10.96.0.10", v6: "fd96::10" },
  cache: { v4: "10.96.0.11", v6: "fd96::11" },
  legacy: { v4: "10.96.0.12", v6: "fd96::12" },
  strict: { v4: "10.96.0.13", v6: "fd96::13" },
  six: { v4: "10.96.0.16", v6: "fd96::16" },
} as const;

export interface ServiceWords {
  readonly name: string;
  /** Absent: headless. */
  readonly ips?: { readonly v4: string; readonly v6: string };
  readonly port: { readonly name: string; readonly port: number; readonly target: number };
  readonly serviceAccount: string;
  readonly workloads: readonly { readonly name: PodName; readonly address: string }[];
}

export class CapturedMesh implements AsyncDisposable {
  readonly pods: Pods<PodName>;
  readonly apps: Readonly<Record<PodName | "node", PodApp>>;
  readonly #sidecars = new Map<PodName, Part>();
  readonly #opened: AsyncDisposableStack;

  private constructor(
    pods: Pods<PodName>,
    apps: CapturedMesh["apps"],
    opened: AsyncDisposableStack,
  ) {
    this.pods = pods;
    this.apps = apps;
    this.#opened = opened;
  }

  /** With an agent; no sidecar yet, and nothing is captured. */
  static async open(): Promise<CapturedMesh> {
    await using opened = new AsyncDisposableStack();
    const pods = opened.use(await openPods(["frontend", "cartone", "carttwo", "strict", "plain"]));
    const { dir } = pods;
    await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
    await makeMember({
      name: "east",
      dir: join(dir, "root"),
      out: join(dir, "trust"),
      cloud: "aws",
      region: "us-east-1",
      network: undefined,
      gatewayRanges: ["10.77.0.0/16"],
      mayExport: ["shop"],
      renew: false,
    });
    await makeGateway({ dir: join(dir, "trust"), out: join(dir, "gateway") });
    await mkdir(join(dir, "services"));
    await writeFile(join(dir, "agent.yaml"), agentYaml);
    const app = (where: PodName | "node"): Promise<PodApp> =>
      PodApp.start(pods, where).then((started) => opened.use(started));
    const [node, frontend, cartone, carttwo, strict, plain] = await Promise.all([
      app("node"),
      app("frontend"),
      app("cartone"),
      app("carttwo"),
      app("strict"),
      app("plain"),
    ]);
    const apps = { node, frontend, cartone, carttwo, strict, plain };
    const mesh = new CapturedMesh(pods, apps, opened.move());
    await mesh.#start("agent", { where: "node", ready: "Serves proxies" });
    return mesh;
  }

  async writeService(service: ServiceWords): Promise<void> {
    const file = join(this.pods.dir, "services", `${service.name}.yaml`);
    await writeFile(`${file}.new`, serviceYaml(service));
    await rename(`${file}.new`, file);
  }

  /** Beside a pod's application, without any capability; resolves when it is ready. */
  async startSidecar(
    pod: PodName,
    options: { readonly serviceAccount: string; readonly capture?: string },
  ): Promise<void> {
    const { serviceAccount, capture = "transparent" } = options;
    const account = `shop/${serviceAccount}`;
    const { dir } = this.pods;
    await makeWorkload({ account, dir: join(dir, "trust"), out: join(dir, pod) });
    await writeFile(join(dir, `${pod}.yaml`), sidecarYaml(pod, { serviceAccount, capture }));
    this.#sidecars.set(pod, await this.#start(pod, { where: pod, ready: "Ready" }));
  }

  async endSidecar(pod: PodName): Promise<void> {
    await this.#sidecars.get(pod)?.kill();
  }

  /** `isthmus …` as root. */
  run(where: PodName | "node", ...words: readonly string[]): Promise<Ran> {
    return this.pods.exec(where, [process.execPath, program, ...words]);
  }

  /** How many connections its sidecar has opened, of those with that label on its own page of metrics. */
  async opened(pod: PodName, label: `${string}="${string}"`): Promise<number> {
    const page = ["curl", "-sS", "http://127.0.0.1:15021/metrics/envoy"];
    const { out } = await this.pods.exec(pod, page);
    const lines = out.split("\n").filter((line) => line.startsWith(openedTotal));
    return Number(
      lines
        .find((line) => line.includes(label))
        ?.split(" ")
        .at(-1) ?? 0,
    );
  }

  async #start(
    name: PodName | "agent",
    { where, ready }: { readonly where: PodName | "node"; readonly ready: string },
  ): Promise<Part> {
    const { dir } = this.pods;
    const command = name === "agent" ? "agent" : "sidecar";
    const isthmus = [process.execPath, program, command, "--config", `${dir}/${name}.yaml`];
    const bare = ["setpriv", "--regid", String(sidecarGid), "--clear-groups"];
    const argv = name === "agent" ? isthmus : [...bare, ...withoutRights, ...isthmus];
    const part = new Part(name, {
      spawn: (options) => this.pods.spawn(where, argv, options),
      ready,
    });
    this.#opened.use(part);
    await part.start();
    return part;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}

const withoutRights = ["--bounding-set", "-all", "--inh-caps", "-all"];

const agentYaml = `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
catalog: { memory: true, snapshotDir: ./state }
sources: [{ files: ./services }]
gateway: { addresses: ["${nodeAddress.v4}:15443"] }
xds: { listen: "${nodeAddress.v4}:15012" }
http: { listen: "127.0.0.1:15080" }
`;

function sidecarYaml(
  pod: PodName,
  { serviceAccount, capture }: { readonly serviceAccount: string; readonly capture: string },
): string {
  return `agent: ${nodeAddress.v4}:15012
identity: { dir: ./${pod} }
engine: envoy
admin: "0.0.0.0:15021"
workload: ${pod}
namespace: shop
serviceAccount: ${serviceAccount}
zone: a
capture: ${capture}
`;
}

function serviceYaml({ name, ips, port, serviceAccount, workloads }: ServiceWords): string {
  const [only] = workloads;
  const family = only?.address.includes(":") === true ? "IPv6" : "IPv4";
  const virtual = ips === undefined ? "None" : family === "IPv6" ? ips.v6 : ips.v4;
  const both = ips === undefined ? "" : `  clusterIPs: ["${ips.v4}", "${ips.v6}"]\n`;
  const slices = workloads.map(
    (workload) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-${workload.name}
  namespace: shop
  labels: { kubernetes.io/service-name: ${name} }
  annotations: { isthmus.dev/service-account: ${serviceAccount} }
addressType: ${family}
ports: [{ name: ${port.name}, port: ${port.target}, protocol: TCP }]
endpoints:
  - addresses: ["${workload.address}"]
    conditions: { ready: true }
    zone: a
    targetRef: { kind: Pod, namespace: shop, name: ${workload.name} }
`,
  );
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec:
  clusterIP: "${virtual}"
${both}  ipFamilies: [${family}]
  ports: [{ name: ${port.name}, port: ${port.port}, targetPort: ${port.target}, protocol: TCP }]
${slices.join("")}`;
}
