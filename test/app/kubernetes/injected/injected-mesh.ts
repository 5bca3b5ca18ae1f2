// A cluster of a real API server whose pods are network namespaces: what the webhook put into them runs there.
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { makeGateway, makeMember, makeRoot } from "../../../../src/app/trust-tasks.ts";
import { Part } from "../../../faults/mesh/part.ts";
import { until } from "../../../kube/admin-client.ts";
import { type KubeCluster, startCluster } from "../../../kube/cluster.ts";
import { setReady } from "../../../kube/fake-kubelet.ts";
import { PodApp } from "../../../support/pods/pod-app.ts";
import { nodeAddress, openPods, type Pods, type Ran } from "../../../support/pods/pods.ts";
import { startRelay } from "../../../support/pods/relay.ts";
import { containerCommand } from "./container-command.ts";
import {
  type Container,
  environmentOf,
  type PodObject,
  type Probe,
  probeTarget,
} from "./pod-object.ts";

export type PodName = "frontend" | "cart";

const program = join(import.meta.dirname, "../../../../bin/isthmus.mjs");
const relayFile = join(import.meta.dirname, "../../../support/pods/relay.ts");
const injectorFile = join(import.meta.dirname, "../../../../deploy/base/agent/injector.yaml");
const namespace = "shop";
const zone = "zone-a";

export class InjectedMesh implements AsyncDisposable {
  readonly cluster: KubeCluster;
  readonly pods: Pods<PodName>;
  readonly #envoy: string;
  readonly #opened: AsyncDisposableStack;

  private constructor(
    parts: { readonly cluster: KubeCluster; readonly pods: Pods<PodName>; readonly envoy: string },
    opened: AsyncDisposableStack,
  ) {
    this.cluster = parts.cluster;
    this.pods = parts.pods;
    this.#envoy = parts.envoy;
    this.#opened = opened;
  }

  /** With an agent on the node, which answers the API server about pods of the namespace `shop`. */
  static async open(envoy: string): Promise<InjectedMesh> {
    await using opened = new AsyncDisposableStack();
    const cluster = opened.use(await startCluster({ name: "injected" }));
    const pods = opened.use(await openPods(["frontend", "cart"]));
    const mesh = new InjectedMesh({ cluster, pods, envoy }, opened.move());
    try {
      await mesh.#makeMember();
      const port = await mesh.#connect();
      await mesh.#startAgent();
      await mesh.#register(port);
      await mesh.#makeNamespace();
      return mesh;
    } catch (thrown) {
      await mesh[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Creates it, and places it on the node; returns it as the API server then gives it. */
  async place(name: PodName, spec: object, labels: object = {}): Promise<PodObject> {
    const { api } = this.cluster;
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const full = { serviceAccountName: name, ...spec };
    await until("the API server believes the webhook's certificate", async () => {
      await api.call("POST", path, { metadata: { name, labels }, spec: full });
      return true;
    });
    const target = { apiVersion: "v1", kind: "Node", name: "node-1" };
    await api.call("POST", `${path}/${name}/binding`, { metadata: { name }, target });
    await this.setReady(name, false);
    return api.call<PodObject>("GET", `${path}/${name}`);
  }

  setReady(name: PodName, ready: boolean): Promise<void> {
    const ips = [this.pods.address(name), this.pods.address(name, "v6")];
    return setReady(this.cluster.api, { namespace, name, ips, ready });
  }

  /** An init container, to its end. */
  runContainer(name: PodName, container: Container): Promise<Ran> {
    return this.pods.exec(name, containerCommand(container, { envoy: this.#envoy, mounts: {} }));
  }

  /** A container that stays; resolves with its `/proc/PID/status` when it says `Ready`. */
  async startContainer(pod: PodObject, container: Container): Promise<string> {
    const mounts: Record<string, string | undefined> = {};
    for (const { name, mountPath } of container.volumeMounts ?? []) {
      mounts[mountPath] = await this.#folderOf(pod, name);
    }
    const where = pod.metadata.name as PodName;
    const argv = containerCommand(container, { envoy: this.#envoy, mounts });
    const env = {
      PATH: "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      ...environmentOf(pod, container),
    };
    const part = new Part(where, {
      spawn: (options) => this.pods.spawn(where, argv, { ...options, env }),
      ready: "Ready",
    });
    this.#opened.use(part);
    await part.start();
    return readFile(`/proc/${part.pid}/status`, "utf8");
  }

  async startApp(where: PodName | "node"): Promise<PodApp> {
    return this.#opened.use(await PodApp.start(this.pods, where));
  }

  /** The status with which that probe of a kubelet is answered; 0: not at all. */
  async probe(name: PodName, container: Container, probe: Probe = {}): Promise<number> {
    const url = `http://${this.pods.address(name)}${probeTarget(container, probe)}`;
    const words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", url];
    return Number((await this.pods.exec("node", words)).out);
  }

  /** `isthmus …` on the node, as root. */
  run(...words: readonly string[]): Promise<Ran> {
    return this.pods.exec("node", [process.execPath, program, ...words]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }

  async #makeMember(): Promise<void> {
    const { dir } = this.pods;
    await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
    await makeMember({
      name: "east",
      dir: join(dir, "root"),
      out: join(dir, "trust"),
      cloud: "aws",
      region: "us-east-1",
      network: undefined,
      gatewayRanges: ["10.77.0.0/16"],
      mayExport: [namespace],
      renew: false,
    });
    await makeGateway({ dir: join(dir, "trust"), out: join(dir, "gateway") });
  }

  /** The API server is not on the node: its port is led there, and the webhook's port to it, which is returned. */
  async #connect(): Promise<number> {
    const { dir } = this.pods;
    const api = `tcp:${Number(new URL(this.cluster.url).port)}` as const;
    const [apiSocket, hookSocket] = [`unix:${dir}/api`, `unix:${dir}/hook`] as const;
    this.#opened.use(await startRelay(apiSocket, api));
    const { port } = this.#opened.use(await startRelay("tcp:0", hookSocket));
    const argv = [process.execPath, relayFile, api, apiSocket, hookSocket, "tcp:15017"];
    const relays = this.pods.spawn("node", argv, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    await once(relays, "message");
    this.#opened.defer(() => {
      if (relays.connected) relays.disconnect();
    });
    return port;
  }

  async #startAgent(): Promise<void> {
    const { dir } = this.pods;
    await writeFile(join(dir, "agent.yaml"), agentYaml(this.cluster.kubeconfig()));
    const argv = [process.execPath, program, "agent", "--config", `${dir}/agent.yaml`];
    const part = new Part("agent", {
      spawn: (options) => this.pods.spawn("node", argv, options),
      ready: "Serves proxies",
    });
    this.#opened.use(part);
    await part.start();
  }

  /** As `deploy/` has it, but asked by URL: Services lead nowhere here. */
  async #register(port: number): Promise<void> {
    const injector = parse(await readFile(injectorFile, "utf8")) as {
      readonly metadata: { readonly name: string };
      readonly webhooks: readonly object[];
    };
    const clientConfig = { url: `https://localhost:${port}/inject` };
    const webhooks = injector.webhooks.map((webhook) => ({ ...webhook, clientConfig }));
    const path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    await this.cluster.api.call("POST", path, { ...injector, webhooks });
    await until("the caBundles are there", async () => {
      const found = await this.cluster.api.call<{
        readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
      }>("GET", `${path}/${injector.metadata.name}`);
      return found.webhooks.every((webhook) => (webhook.clientConfig.caBundle ?? "") !== "");
    });
  }

  async #makeNamespace(): Promise<void> {
    const { api } = this.cluster;
    await this.cluster.createNamespace(namespace, { labels: { "isthmus.dev/inject": "enabled" } });
    for (const name of ["frontend", "cart"]) {
      await api.call("POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, {
        metadata: { name },
      });
    }
    const labels = { "topology.kubernetes.io/zone": zone };
    await api.call("POST", "/api/v1/nodes", { metadata: { name: "node-1", labels } });
  }

  /** What a kubelet lays into a volume; undefined: nothing. */
  async #folderOf(pod: PodObject, volume: string): Promise<string | undefined> {
    const found = pod.spec.volumes?.find(({ name }) => name === volume);
    const token = found?.projected?.sources[0]?.serviceAccountToken;
    if (token === undefined) return undefined;
    const { metadata, spec } = pod;
    const dir = join(this.pods.dir, `${metadata.name}-${volume}`);
    await mkdir(dir);
    const text = await this.cluster.tokenOf({
      namespace,
      name: spec.serviceAccountName,
      audiences: [token.audience],
      pod: metadata,
    });
    await writeFile(join(dir, token.path), text);
    return dir;
  }
}

function agentYaml(kubeconfig: string): string {
  return `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
catalog: { memory: true, snapshotDir: ./state }
sources: [{ kubernetes: { kubeconfig: "${kubeconfig}" } }]
kubernetes:
  kubeconfig: "${kubeconfig}"
  identity: {}
  webhook: { listen: "127.0.0.1:15017", names: [localhost], agents: ["${nodeAddress.v4}:15012"] }
gateway: { addresses: ["${nodeAddress.v4}:15443"] }
xds: { listen: "${nodeAddress.v4}:15012" }
http: { listen: "127.0.0.1:15080" }
`;
}
