import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { gatewayServiceState } from "../../../src/discovery/kubernetes/gateway-service.ts";

const port = 15_443;

function serviceWith(ingress: unknown, spec: object = {}): object {
  return {
    metadata: { name: "isthmus-gateway", namespace: "isthmus-system" },
    spec: { type: "LoadBalancer", ports: [{ name: "mesh", port }], ...spec },
    status: { loadBalancer: ingress === undefined ? {} : { ingress } },
  };
}

suite("gatewayServiceState()", () => {
  const reached: readonly (readonly [string, unknown, readonly string[]])[] = [
    ["an IP address", [{ ip: "203.0.113.7", ipMode: "VIP" }], ["203.0.113.7"]],
    ["a name without its last dot", [{ hostname: "a.elb.example." }], ["a.elb.example"]],
    ["the address where there is a name, too", [{ ip: "10.0.0.1", hostname: "x" }], ["10.0.0.1"]],
    ["IPv6 in its one form", [{ ip: "2001:DB8:0::7" }], ["2001:db8::7"]],
    [
      "each once, sorted",
      [{ ip: "10.0.0.2" }, { ip: "10.0.0.1" }, { ip: "10.0.0.2" }],
      ["10.0.0.1", "10.0.0.2"],
    ],
    [
      "what can be dialled beside what cannot",
      [{ ip: "7" }, "x", { hostname: "a b" }, { hostname: "c" }],
      ["c"],
    ],
    [
      "16 of many",
      Array.from({ length: 40 }, (_, i) => ({ ip: `10.0.1.${i + 10}` })),
      Array.from({ length: 16 }, (_, i) => `10.0.1.${i + 10}`),
    ],
  ];
  for (const [what, ingress, hosts] of reached) {
    test(`takes ${what}`, () => {
      assert.deepEqual(gatewayServiceState(serviceWith(ingress), port), { t: "reached", hosts });
    });
  }

  const unreached: readonly (readonly [string, object | undefined, RegExp])[] = [
    ["no Service", undefined, /no such Service: apply/],
    ["a list for a Service", [], /no such Service/],
    ["no address yet", serviceWith(undefined), /has no address yet: `kubectl describe`/],
    ["an emptied status", serviceWith([]), /has no address yet/],
    [
      "addresses of no use",
      serviceWith([{ ip: "10.0.0.1:80" }, { hostname: "" }]),
      /none that can be dialled/,
    ],
    [
      "a Service without a load balancer",
      serviceWith([{ ip: "10.0.0.1" }], { type: "ClusterIP" }),
      /type ClusterIP.*make it LoadBalancer/,
    ],
    [
      "another port",
      serviceWith([{ ip: "10.0.0.1" }], { ports: [{ port: 443 }] }),
      /no port 15443, but 443/,
    ],
    ["nothing but a name", { metadata: { name: "x" } }, /type ClusterIP/],
  ];
  for (const [what, service, reason] of unreached) {
    test(`says what to do about ${what}`, () => {
      const state = gatewayServiceState(service, port);
      assert.ok(state.t === "unreached");
      assert.match(state.reason, reason);
    });
  }
});
