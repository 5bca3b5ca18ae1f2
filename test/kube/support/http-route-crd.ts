import type { Json } from "../admin-client.ts";

const text = { type: "string" };
const ref = {
  type: "object",
  required: ["name"],
  properties: {
    group: { ...text, default: "gateway.networking.k8s.io" },
    kind: { ...text, default: "Gateway" },
    namespace: text,
    name: text,
    sectionName: text,
    port: { type: "integer", format: "int32" },
  },
};
const condition = {
  type: "object",
  required: ["type", "status", "reason", "message", "lastTransitionTime"],
  properties: {
    type: text,
    status: { ...text, enum: ["True", "False", "Unknown"] },
    reason: { ...text, pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" },
    message: text,
    observedGeneration: { type: "integer", format: "int64" },
    lastTransitionTime: { ...text, format: "date-time" },
  },
};
const parentStatus = {
  type: "object",
  required: ["parentRef", "controllerName", "conditions"],
  properties: {
    parentRef: ref,
    controllerName: {
      ...text,
      pattern:
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9/-]+$",
    },
    conditions: {
      type: "array",
      minItems: 1,
      maxItems: 8,
      items: condition,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
    },
  },
};

/** As much of the Gateway API's HTTPRoute as says whom a route is for and what became of it. */
export const httpRouteCrd: Json = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: {
    name: "httproutes.gateway.networking.k8s.io",
    annotations: { "api-approved.kubernetes.io": "unapproved, for tests" },
  },
  spec: {
    group: "gateway.networking.k8s.io",
    scope: "Namespaced",
    names: { kind: "HTTPRoute", plural: "httproutes", singular: "httproute" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: { parentRefs: { type: "array", maxItems: 32, items: ref } },
              },
              status: {
                type: "object",
                required: ["parents"],
                properties: { parents: { type: "array", maxItems: 32, items: parentStatus } },
              },
            },
          },
        },
      },
    ],
  },
};
