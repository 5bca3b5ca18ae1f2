import type { InjectionSettings } from "../../../../src/app/install/inject/containers.ts";
import { parseMemberName, parseMeshDomain, trustDomainOf } from "../../../../src/mesh/ids.ts";
import type { JsonMap } from "../../../../src/mesh/json-map.ts";

export function settingsFor(bundlePem: string): InjectionSettings {
  return {
    image: "isthmus-sidecar:test",
    agents: [{ host: "isthmus-agent.isthmus-system.svc", port: 15_012 }],
    trustDomain: trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh")),
    bundlePem,
    audience: "isthmus",
    ownNamespace: "isthmus-system",
  };
}

/** A pod as its owner writes it. */
export function cartPod(
  spec: JsonMap = {},
  annotations: JsonMap = {},
  labels: JsonMap = {},
): JsonMap {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "cart-0", labels: { app: "cart", ...labels }, annotations },
    spec: {
      serviceAccountName: "cart",
      containers: [{ name: "app", image: "cart", ports: [{ containerPort: 8080 }] }],
      ...spec,
    },
  };
}
