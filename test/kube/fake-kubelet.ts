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

export interface KubeletOptions {
  readonly api: AdminClient;
  /** Addresses of a pod, the first of them its primary one; undefined: leave this pod alone. */
  readonly ipsOf: (pod: Pod) => readonly string[] | undefined;
  /** Where a pod without a node goes, as there is no scheduler; undefined: it runs without one. */
  readonly nodeOf?: (pod: Pod) => string | undefined;
  /** How long a pod that is to be deleted stays, in ms. Default: it goes at once. */
  readonly graceMs?: number;
}

const maxInFlight = 16;
const retryMs = 100;

/** Marks pods running and ready as soon as they exist, and lets those go that are deleted; for all nodes at once. */
export function startFakeKubelet(options: KubeletOptions): AsyncDisposable {
  const ending = new AbortController();
  const { signal } = ending;
  const tasks = createLimit(maxInFlight);

  const watch = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        for await (const line of options.api.lines("/api/v1/pods?watch=1", signal)) {
          const event = JSON.parse(line) as { type: string; object: Pod };
          if (event.type === "ERROR") break;
          if (event.type === "DELETED") continue;
          tasks.add(() => see(options, event.object, signal));
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

async function see(options: KubeletOptions, pod: Pod, signal: AbortSignal): Promise<void> {
  const { api } = options;
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
    const node = pod.spec.nodeName === undefined ? options.nodeOf?.(pod) : undefined;
    if (node !== undefined) await bind(api, { path, name, node });
    await setReady(api, { namespace, name, ips });
  } catch (error) {
    // It went in between, or the next sight of it brings it forward.
    if (!(error instanceof RefusedError) && !signal.aborted) await delay(retryMs);
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
