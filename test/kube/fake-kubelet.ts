import { setTimeout as delay } from "node:timers/promises";
import { type AdminClient, RefusedError } from "./admin-client.ts";

/** What a test sees of a pod. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string; readonly serviceAccountName?: string };
  readonly status?: { readonly podIP?: string };
}

export interface NodePlace {
  readonly name: string;
  readonly region?: string;
  readonly zone?: string;
}

export interface KubeletOptions {
  readonly api: AdminClient;
  /** Addresses of a pod, the first of them its primary one; undefined: leave this pod alone. */
  readonly ipsOf: (pod: Pod) => readonly string[] | undefined;
  /**
   * Nodes that it makes; pods without one are spread over them, as there is no scheduler. Default: one without a zone.
   * A pod is no endpoint until its node exists.
   */
  readonly nodes?: readonly NodePlace[];
  /** How long a pod that is to be deleted stays, in ms. Default: it goes at once. */
  readonly graceMs?: number;
}

const maxInFlight = 16;
const retryMs = 100;

/** Marks pods running and ready as soon as they exist, and lets those go that are deleted; for all nodes at once. */
export async function startFakeKubelet(options: KubeletOptions): Promise<AsyncDisposable> {
  const { api, nodes = [{ name: "node-1" }] } = options;
  await Promise.all(nodes.map((node) => createNode(api, node)));
  let bound = 0;
  const nextNode = (): string => {
    bound += 1;
    return nodes[bound % nodes.length]?.name ?? "";
  };
  const ending = new AbortController();
  const { signal } = ending;
  const tasks = createLimit(maxInFlight);

  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        for await (const line of api.lines("/api/v1/pods?watch=1", signal)) {
          const event = JSON.parse(line) as { type: string; object: Pod };
          if (event.type === "ERROR") break;
          if (event.type === "DELETED") continue;
          tasks.add(() => see(event.object, { ...options, nextNode, signal }));
        }
      } catch {
        // The API server is away, or the test is over.
      }
      await delay(retryMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const watching = watch();
  return {
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await watching;
      await tasks.idle();
    },
  };
}

async function see(
  pod: Pod,
  options: KubeletOptions & { readonly nextNode: () => string; readonly signal: AbortSignal },
): Promise<void> {
  const { api, signal } = options;
  const { name, namespace, deletionTimestamp, uid } = pod.metadata;
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  const ips = options.ipsOf(pod);
  if (ips === undefined) return;
  try {
    if (deletionTimestamp !== undefined) {
      await delay(options.graceMs ?? 0, undefined, { signal });
      await api.call("DELETE", path, { gracePeriodSeconds: 0, preconditions: { uid } });
      return;
    }
    if (pod.status?.podIP !== undefined) return;
    if (pod.spec.nodeName === undefined) await bind(api, { path, name, node: options.nextNode() });
    await setReady(api, { namespace, name, ips });
  } catch (error) {
    // It went in between, or the next sight of it brings it forward.
    if (!(error instanceof RefusedError) && !signal.aborted) await delay(retryMs);
  }
}

async function createNode(api: AdminClient, { name, region, zone }: NodePlace): Promise<void> {
  const labels = {
    "kubernetes.io/hostname": name,
    ...(region === undefined ? {} : { "topology.kubernetes.io/region": region }),
    ...(zone === undefined ? {} : { "topology.kubernetes.io/zone": zone }),
  };
  try {
    await api.call("POST", "/api/v1/nodes", { metadata: { name, labels } });
  } catch (error) {
    const isThere = error instanceof RefusedError && error.status === 409;
    if (!isThere) throw error;
  }
}

function bind(
  api: AdminClient,
  to: { path: string; name: string; node: string },
): Promise<unknown> {
  return api.call("POST", `${to.path}/binding`, {
    metadata: { name: to.name },
    target: { apiVersion: "v1", kind: "Node", name: to.node },
  });
}

/** What a kubelet says of a pod that runs; with `ready: false`, of one whose probe fails. */
export async function setReady(
  api: AdminClient,
  pod: {
    readonly namespace: string;
    readonly name: string;
    readonly ips: readonly string[];
    readonly ready?: boolean;
  },
): Promise<void> {
  const status = pod.ready === false ? "False" : "True";
  await api.call(
    "PATCH",
    `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/status`,
    {
      status: {
        phase: "Running",
        podIP: pod.ips[0],
        podIPs: pod.ips.map((ip) => ({ ip })),
        conditions: [
          { type: "Ready", status },
          { type: "ContainersReady", status },
        ],
      },
    },
    "application/strategic-merge-patch+json",
  );
}

function createLimit(atOnce: number): {
  readonly add: (task: () => Promise<void>) => void;
  readonly idle: () => Promise<void>;
} {
  const waiting: (() => Promise<void>)[] = [];
  const running = new Set<Promise<void>>();
  const next = (): void => {
    while (running.size < atOnce) {
      const task = waiting.shift();
      if (task === undefined) return;
      const done = task().finally(() => {
        running.delete(done);
        next();
      });
      running.add(done);
    }
  };
  return {
    add: (task) => {
      waiting.push(task);
      next();
    },
    idle: async () => {
      waiting.length = 0;
      await Promise.all(running);
    },
  };
}
