import type { AdminClient, Json } from "../admin-client.ts";

/** Makes, changes and deletes objects of one namespace, in few words. */
export interface Shop {
  readonly namespace: string;
  readonly service: (name: string, spec?: Json) => Promise<unknown>;
  readonly account: (name: string) => Promise<unknown>;
  /** A pod behind the Service of the name `app`. */
  readonly pod: (
    name: string,
    options: { readonly app: string; readonly spec?: Json },
  ) => Promise<unknown>;
  readonly slice: (name: string, options: SliceWish) => Promise<unknown>;
  readonly moveSlice: (name: string, addresses: readonly string[]) => Promise<unknown>;
  readonly remove: (plural: string, name: string) => Promise<unknown>;
  readonly path: (plural: string) => string;
}

export interface SliceWish {
  readonly service: string;
  readonly addresses: readonly string[];
  readonly family?: "IPv4" | "IPv6";
  readonly endpoint?: Json;
}

export function shopIn(api: AdminClient, namespace: string): Shop {
  const core = `/api/v1/namespaces/${namespace}`;
  const path = (plural: string): string =>
    plural === "endpointslices"
      ? `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
      : plural === "serviceexports"
        ? `/apis/multicluster.x-k8s.io/v1beta1/namespaces/${namespace}/serviceexports`
        : `${core}/${plural}`;
  return {
    namespace,
    path,
    service: (name, spec = {}) =>
      api.call("POST", path("services"), {
        metadata: { name },
        spec: {
          selector: { app: name },
          ports: [{ name: "http", port: 80, targetPort: 8080 }],
          ...spec,
        },
      }),
    account: (name) => api.call("POST", path("serviceaccounts"), { metadata: { name } }),
    pod: (name, { app, spec = {} }) =>
      api.call("POST", path("pods"), {
        metadata: { name, labels: { app } },
        spec: {
          containers: [
            { name: "app", image: "app", ports: [{ name: "web", containerPort: 8080 }] },
          ],
          ...spec,
        },
      }),
    slice: (name, { service, addresses, family = "IPv4", endpoint = {} }) =>
      api.call("POST", path("endpointslices"), {
        metadata: { name, labels: { "kubernetes.io/service-name": service } },
        addressType: family,
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
        endpoints: addresses.map((address) => ({
          addresses: [address],
          conditions: { ready: true },
          ...endpoint,
        })),
      }),
    moveSlice: (name, addresses) =>
      api.call("PATCH", `${path("endpointslices")}/${name}`, {
        endpoints: addresses.map((address) => ({
          addresses: [address],
          conditions: { ready: true },
        })),
      }),
    remove: (plural, name) => api.call("DELETE", `${path(plural)}/${name}`),
  };
}

/** Enough of the CRD of mcs-api for a ServiceExport to exist. */
export async function installServiceExports(api: AdminClient): Promise<void> {
  const schema = {
    type: "object",
    properties: {
      spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    },
  };
  const version = {
    served: true,
    schema: { openAPIV3Schema: schema },
    subresources: { status: {} },
  };
  await api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    metadata: {
      name: "serviceexports.multicluster.x-k8s.io",
      annotations: {
        "api-approved.kubernetes.io":
          "https://github.com/kubernetes/enhancements/tree/master/keps/sig-multicluster/1645-multi-cluster-services-api",
      },
    },
    spec: {
      group: "multicluster.x-k8s.io",
      scope: "Namespaced",
      names: { plural: "serviceexports", singular: "serviceexport", kind: "ServiceExport" },
      versions: [
        { ...version, name: "v1beta1", storage: true },
        { ...version, name: "v1alpha1", storage: false },
      ],
    },
  });
}
