/** A cluster full of Services and EndpointSlices, and a hand that changes them. */
import { setTimeout as wait } from "node:timers/promises";
import type { AdminClient } from "../../test/kube/admin-client.ts";
import { zones } from "./made-services.ts";

export interface Population {
  readonly services: number;
  readonly endpointsPerSlice: number;
  /** With the pods that the slices name; without, the slices name none. */
  readonly hasPods: boolean;
}

const namespace = "shop";
const slicesPath = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
const core = `/api/v1/namespaces/${namespace}`;
// More would only queue in the API server.
const atOnce = 16;

/** What a slice says at that turn: its first endpoint moves with each. */
export function addressesAt(index: number, turn: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, host) => {
    const third = host === 0 ? turn % 200 : 200 + host;
    return `10.${64 + (index >> 8)}.${third}.${index & 255}`;
  });
}

export async function populate(api: AdminClient, plan: Population): Promise<void> {
  await forAll(plan.services, async (index) => {
    const metadata = { name: `s${index}` };
    const spec = { ports: [{ name: "http", port: 80, targetPort: 8080 }] };
    await api.call("POST", `${core}/services`, { metadata, spec });
    await api.call("POST", slicesPath, {
      metadata: { name: `s${index}-1`, labels: { "kubernetes.io/service-name": `s${index}` } },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: endpointsAt(index, 0, plan),
    });
    if (!plan.hasPods) return;
    for (let host = 0; host < plan.endpointsPerSlice; host += 1) await createPod(api, index, host);
  });
}

/** One change of one slice, as its controller would write it. */
async function turnSlice(
  api: AdminClient,
  at: { readonly index: number; readonly turn: number; readonly plan: Population },
): Promise<void> {
  const { index, turn, plan } = at;
  await api.call("PATCH", `${slicesPath}/s${index}-1`, {
    endpoints: endpointsAt(index, turn, plan),
  });
}

/** Other members may use every service. */
export async function exportAll(api: AdminClient, plan: Population): Promise<void> {
  const path = `/apis/multicluster.x-k8s.io/v1beta1/namespaces/${namespace}/serviceexports`;
  await forAll(plan.services, async (index) => {
    const [apiVersion, kind] = ["multicluster.x-k8s.io/v1beta1", "ServiceExport"];
    await api.call("POST", path, { apiVersion, kind, metadata: { name: `s${index}` } });
  });
}

/** The last endpoint of that slice is ready, or is not, as its controller would write it. */
export async function turnReadiness(
  api: AdminClient,
  at: { readonly index: number; readonly isReady: boolean; readonly plan: Population },
): Promise<void> {
  const { index, isReady, plan } = at;
  const endpoints = endpointsAt(index, 0, plan).map((endpoint, host) =>
    isReady || host < plan.endpointsPerSlice - 1
      ? endpoint
      : { ...endpoint, conditions: { ready: false, serving: false, terminating: false } },
  );
  await api.call("PATCH", `${slicesPath}/s${index}-1`, { endpoints });
}

/** Changes slices one after the other at that rate; returns how many it changed. */
export async function churn(
  api: AdminClient,
  options: {
    readonly plan: Population;
    readonly perSecond: number;
    readonly forMs: number;
    /** Turn of each slice so far; raised with each change. */
    readonly turns: number[];
  },
): Promise<number> {
  const { plan, perSecond, forMs, turns } = options;
  const startMs = performance.now();
  const underWay = new Set<Promise<void>>();
  let count = 0;
  while (performance.now() - startMs < forMs) {
    // Neighbours are far apart, and each is met again.
    const index = (count * 611) % plan.services;
    const turn = (turns[index] ?? 0) + 1;
    turns[index] = turn;
    const change = turnSlice(api, { index, turn, plan }).finally(() => underWay.delete(change));
    underWay.add(change);
    count += 1;
    const dueMs = startMs + (count * 1000) / perSecond;
    await wait(Math.max(0, dueMs - performance.now()));
  }
  await Promise.all(underWay);
  return count;
}

/** `address` of each endpoint by service, as the API server has it. */
export async function endpointsInApi(api: AdminClient): Promise<ReadonlyMap<string, string>> {
  const { items } = await api.call<{
    items: { metadata: { name: string }; endpoints: { addresses: string[] }[] }[];
  }>("GET", slicesPath);
  return new Map(
    items.map(({ metadata, endpoints }) => [
      metadata.name.replace(/-1$/, ""),
      endpoints
        .flatMap(({ addresses }) => addresses)
        .toSorted(byText)
        .join(" "),
    ]),
  );
}

function endpointsAt(index: number, turn: number, plan: Population): readonly object[] {
  return addressesAt(index, turn, plan.endpointsPerSlice).map((address, host) => ({
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
    zone: zones[host % zones.length],
    nodeName: `node-${host}`,
    ...(plan.hasPods
      ? {
          targetRef: {
            kind: "Pod",
            namespace,
            name: `s${index}-${host}`,
            uid: `uid-${index}-${host}`,
          },
        }
      : {}),
  }));
}

async function createPod(api: AdminClient, index: number, host: number): Promise<void> {
  const name = `s${index}-${host}`;
  await api.call("POST", `${core}/pods`, {
    metadata: { name, labels: { app: `s${index}` } },
    spec: {
      nodeName: `node-${host}`,
      automountServiceAccountToken: false,
      containers: [
        { name: "app", image: "registry.example/app:1", ports: [{ containerPort: 8080 }] },
      ],
    },
  });
}

async function forAll(count: number, run: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      await run(index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

export function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
