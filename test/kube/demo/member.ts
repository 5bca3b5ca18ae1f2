import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseDocument, stringify } from "yaml";
import { Program, run } from "../../system/program.ts";
import { until } from "../admin-client.ts";
import { type KubeCluster, startCluster } from "../cluster.ts";
import type { Etcd } from "../etcd.ts";
import { type Pod, setReady, startFakeKubelet } from "../fake-kubelet.ts";
import { addressesOf, type Engine, type MemberPlan, meshDomain, ports, shop } from "./plan.ts";

const audience = "isthmus";
const system = "isthmus-system";
const appFile = fileURLToPath(new URL("app.ts", import.meta.url));

interface RunningPod {
  readonly pod: Pod;
  readonly address: string;
  readonly app?: ChildProcess;
  readonly sidecar: Program;
}

/** A cluster with what `isthmus install` puts there; what its images would run are processes here. */
export class Member implements AsyncDisposable {
  readonly plan: MemberPlan;
  readonly cluster: KubeCluster;
  /** Its configuration files are here. */
  readonly dir: string;
  readonly #engine: Engine;
  readonly #owned: AsyncDisposableStack;
  readonly #addresses = new Map<string, string>();
  readonly #pods = new Map<string, RunningPod>();

  private constructor(options: MemberOptions, cluster: KubeCluster) {
    this.plan = options.plan;
    this.cluster = cluster;
    this.dir = join(options.dir, options.plan.name);
    this.#engine = options.engine;
    this.#owned = new AsyncDisposableStack();
    this.#owned.use(cluster);
  }

  /** An API server, controllers, and nodes that run every pod at once. */
  static async start(options: MemberOptions): Promise<Member> {
    const { plan, etcd } = options;
    const cluster = await startCluster({ name: plan.name, etcd });
    const member = new Member(options, cluster);
    try {
      await mkdir(member.dir, { recursive: true });
      const kubelet = await startFakeKubelet({
        api: cluster.api,
        ipsOf: (pod) => [member.#addressOf(pod)],
        nodes: plan.zones.map((zone) => ({ name: `node-${zone}`, region: plan.region, zone })),
      });
      member.#owned.use(kubelet);
      return member;
    } catch (thrown) {
      await member[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Applies the overlay of its cloud, then runs an agent and a gateway as those pods would. Returns how many objects. */
  async install(options: { readonly trustDir: string; readonly hubUrl: string }): Promise<number> {
    const { plan, cluster } = this;
    const secret = ["-n", system, "create", "secret", "generic"];
    await cluster.createNamespace(system);
    await cluster.kubectl([...secret, "isthmus-trust", `--from-file=${options.trustDir}`]);
    await cluster.kubectl([...secret, "isthmus-hub", "--from-literal=password=unused"]);
    const words =
      `install --cloud ${plan.overlay} --mesh ${meshDomain} --member ${plan.name} --region ${plan.region} ` +
      "--hub rediss://hub.example:6379";
    const { code, out, err } = await run(words.split(" "), this.dir);
    if (code !== 0) throw new Error(`isthmus install: ${err}`);
    const applied = await cluster.kubectl(["apply", "--server-side", "-f", "-"], { input: out });
    await this.#giveAddress();
    await this.#startAgent(options);
    await this.#startGateway(options.trustDir);
    return applied.trim().split("\n").length;
  }

  async apply(yaml: string): Promise<void> {
    await this.cluster.kubectl(["apply", "--server-side", "-f", "-"], { input: yaml });
  }

  /** Runs applications and sidecars of that Deployment's pods once they are there; with `calls`, of callers. */
  async runPods(account: string, options: { readonly calls?: string } = {}): Promise<void> {
    for (const pod of await this.#podsOf(account)) {
      const { name } = pod.metadata;
      const address = this.#addressOf(pod);
      const app = options.calls === undefined ? await this.#startApp(name, address) : undefined;
      const sidecar = await this.#startSidecar(pod, { account, address, ...options });
      this.#pods.set(name, { pod, address, sidecar, ...(app === undefined ? {} : { app }) });
    }
  }

  /** Where applications of that account's first pod dial what they call. */
  upstreamOf(account: string): string {
    const found = [...this.#pods.values()].find(
      ({ pod }) => pod.spec.serviceAccountName === account,
    );
    if (found === undefined) throw new RangeError(`there is no pod of ${account}`);
    return `http://${found.address}:${ports.upstream}/`;
  }

  /** Kills applications and sidecars of those pods; nobody is told. */
  async killPods(account: string): Promise<void> {
    for (const [name, { pod, app, sidecar }] of this.#pods) {
      if (pod.spec.serviceAccountName !== account) continue;
      app?.kill("SIGKILL");
      await sidecar[Symbol.asyncDispose]();
      this.#pods.delete(name);
    }
  }

  /** What a kubelet finds of those pods a moment later. */
  async setReady(account: string, isReady: boolean): Promise<void> {
    for (const pod of await this.#podsOf(account)) {
      const { name, namespace } = pod.metadata;
      const ips = [this.#addressOf(pod)];
      await setReady(this.cluster.api, { namespace, name, ips, ready: isReady });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { app, sidecar } of this.#pods.values()) {
      app?.kill("SIGKILL");
      await sidecar[Symbol.asyncDispose]();
    }
    await this.#owned.disposeAsync();
  }

  /** The same for as long as the pod is there. */
  #addressOf({ metadata: { name, labels } }: Pod): string {
    const { agent, gateway, pod } = addressesOf(this.plan);
    const part = labels?.["app.kubernetes.io/name"];
    if (part === "isthmus-agent") return agent;
    if (part === "isthmus-gateway") return gateway;
    const known = this.#addresses.get(name);
    const address = known ?? pod(this.#addresses.size);
    this.#addresses.set(name, address);
    return address;
  }

  async #podsOf(account: string, namespace = shop): Promise<readonly Pod[]> {
    const path = `/api/v1/namespaces/${namespace}/pods`;
    let pods: readonly Pod[] = [];
    await until(`pods of ${account} run`, async () => {
      const { items } = await this.cluster.api.call<{ items: readonly Pod[] }>("GET", path);
      pods = items.filter(({ spec }) => spec.serviceAccountName === account);
      return pods.length > 0 && pods.every(({ status }) => status?.podIP !== undefined);
    });
    return pods;
  }

  #tokenOf({ metadata, spec }: Pod, audiences?: readonly string[]): Promise<string> {
    return this.cluster.tokenOf({
      namespace: metadata.namespace,
      name: spec.serviceAccountName ?? "default",
      pod: metadata,
      ...(audiences === undefined ? {} : { audiences }),
    });
  }

  /** As a cloud's controller does when the load balancer is made. */
  async #giveAddress(): Promise<void> {
    const ingress = [{ ip: addressesOf(this.plan).gateway }];
    const path = `/api/v1/namespaces/${system}/services/isthmus-gateway/status`;
    await this.cluster.api.call("PATCH", path, { status: { loadBalancer: { ingress } } });
  }

  /** As its first pod: with that pod's token, and no more rights than that. */
  async #startAgent(options: {
    readonly trustDir: string;
    readonly hubUrl: string;
  }): Promise<void> {
    const [pod] = await this.#podsOf("isthmus-agent", system);
    if (pod === undefined) throw new RangeError("there is no pod of the agent");
    const kubeconfig = await this.cluster.kubeconfigFor(await this.#tokenOf(pod));
    const { agent } = addressesOf(this.plan);
    await this.#writeConfig("agent", (config) => {
      config.setIn(["trust", "dir"], options.trustDir);
      config.setIn(["catalog", "hubs"], [{ url: options.hubUrl }]);
      config.setIn(["catalog", "snapshotDir"], join(this.dir, "state"));
      // One of the two that the Deployment asks for.
      config.deleteIn(["catalog", "replicas"]);
      config.setIn(["sources", 0, "kubernetes", "kubeconfig"], kubeconfig);
      config.setIn(["kubernetes", "kubeconfig"], kubeconfig);
      config.setIn(["xds", "listen"], `${agent}:${ports.xds}`);
      config.setIn(["kubernetes", "dns", "listen"], `${agent}:${ports.dns}`);
      config.setIn(["kubernetes", "webhook", "listen"], `${agent}:${ports.webhook}`);
      config.set("http", { listen: `${agent}:${ports.api}` });
    });
    await this.#start("agent", "Serves proxies");
  }

  async #startGateway(trustDir: string): Promise<void> {
    const [pod] = await this.#podsOf("isthmus-gateway", system);
    if (pod === undefined) throw new RangeError("there is no pod of the gateway");
    const { agent, gateway } = addressesOf(this.plan);
    const identity = await this.#identityOf("gateway", pod);
    await this.#writeConfig("gateway", (config) => {
      config.set("agent", `${agent}:${ports.xds}`);
      config.set("identity", { ...identity, bundleFile: join(trustDir, "bundle.pem") });
      config.set("engine", this.#engine);
      config.set("workers", 1);
      config.set("listen", `${gateway}:${ports.gateway}`);
      config.set("admin", `${gateway}:${ports.admin}`);
    });
    await this.#start("gateway", "Ready");
  }

  /** What `deploy/` says, but for where things are on this machine. */
  async #writeConfig(
    part: "agent" | "gateway",
    change: (config: ReturnType<typeof parseDocument>) => void,
  ): Promise<void> {
    const name = `isthmus-${part}`;
    const args = ["-n", system, "get", "configmap", name, "-o", "json"];
    const { data } = JSON.parse(await this.cluster.kubectl(args)) as {
      readonly data: Readonly<Record<string, string>>;
    };
    const config = parseDocument(data[`${part}.yaml`] ?? "");
    change(config);
    await writeFile(join(this.dir, `${part}.yaml`), String(config));
  }

  async #start(part: "agent" | "gateway", ready: string): Promise<void> {
    const argv = [part, "--config", `${part}.yaml`];
    const program = this.#owned.use(new Program(argv, { cwd: this.dir }));
    await program.said(ready);
  }

  async #startApp(name: string, address: string): Promise<ChildProcess> {
    const app = fork(appFile, [`${this.plan.name}/${name}`, address, String(ports.app)]);
    await once(app, "message");
    return app;
  }

  async #startSidecar(
    pod: Pod,
    how: { readonly account: string; readonly address: string; readonly calls?: string },
  ): Promise<Program> {
    const { name, namespace } = pod.metadata;
    const { account, address, calls } = how;
    const app = `${address}:${ports.app}`;
    const config = {
      agent: `${addressesOf(this.plan).agent}:${ports.xds}`,
      engine: this.#engine,
      identity: {
        ...(await this.#identityOf(name, pod)),
        bundleFile: join(this.dir, "../", `${this.plan.name}.trust`, "bundle.pem"),
      },
      admin: `${address}:${ports.admin}`,
      workload: name,
      namespace,
      serviceAccount: account,
      ...(calls === undefined
        ? { inbound: [{ endpoint: app, listen: `${address}:${ports.inbound}`, app }] }
        : { upstreams: [{ service: calls, port: 80, listen: `${address}:${ports.upstream}` }] }),
    };
    await writeFile(join(this.dir, `${name}.yaml`), stringify(config));
    const sidecar = new Program(["sidecar", "--config", `${name}.yaml`], { cwd: this.dir });
    await sidecar.said("Ready").catch(async (thrown: unknown) => {
      await sidecar[Symbol.asyncDispose]();
      throw thrown;
    });
    return sidecar;
  }

  /** The token as a kubelet would lay it into the pod. */
  async #identityOf(
    name: string,
    pod: Pod,
  ): Promise<{ readonly dir: string; readonly tokenFile: string; readonly trustDomain: string }> {
    const dir = join(this.dir, `${name}.pod`);
    const tokenFile = join(dir, "token");
    await mkdir(dir, { recursive: true });
    await writeFile(tokenFile, await this.#tokenOf(pod, [audience]), { mode: 0o600 });
    return {
      dir: join(dir, "identity"),
      tokenFile,
      trustDomain: `${this.plan.name}.${meshDomain}`,
    };
  }
}

export interface MemberOptions {
  readonly plan: MemberPlan;
  readonly etcd: Etcd;
  readonly engine: Engine;
  /** Holds `MEMBER.trust`, and gets a folder for each member. */
  readonly dir: string;
}
