import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, createRegistry } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { checkedResource, findViolations } from "../../src/xds/constraints.ts";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { HealthStatus } from "../../src/xds/gen/envoy/config/core/v3/health_check_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../../src/xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../../src/xds/gen/envoy/config/route/v3/route_pb.ts";
import { TcpProxySchema } from "../../src/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { UpstreamTlsContextSchema } from "../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { StringMatcherSchema } from "../../src/xds/gen/envoy/type/matcher/v3/string_pb.ts";
import { brokenRules } from "../../src/xds/rules.ts";

const goodCluster = {
  name: "outbound|80||cart.shop.svc.cluster.local",
  clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
  connectTimeout: durationFromMs(500),
} as const;

const host = (port: number): object => ({
  hostIdentifier: {
    case: "endpoint",
    value: {
      address: {
        address: {
          case: "socketAddress",
          value: { address: "10.0.0.1", portSpecifier: { case: "portValue", value: port } },
        },
      },
    },
  },
});

describe("findViolations()", () => {
  test("finds nothing in a sound cluster", () => {
    assert.deepEqual(findViolations(ClusterSchema, create(ClusterSchema, goodCluster)), []);
  });

  const clusters = [
    ["no name", { name: "" }, "name: must be at least 1 characters long"],
    [
      "a connect timeout of zero",
      { connectTimeout: durationFromMs(0) },
      "connectTimeout: must be more than 0",
    ],
    [
      "a policy that does not exist",
      { lbPolicy: 99 as Cluster_LbPolicy },
      "lbPolicy: must be a value that the enum names",
    ],
    [
      "an outlier rule beyond 100 %",
      { outlierDetection: { maxEjectionPercent: 101 } },
      "outlierDetection.maxEjectionPercent: must be at most 100",
    ],
  ] as const;
  for (const [what, change, violation] of clusters) {
    test(`names the field of a cluster with ${what}`, () => {
      const cluster = create(ClusterSchema, { ...goodCluster, ...change });
      assert.deepEqual(findViolations(ClusterSchema, cluster), [violation]);
    });
  }

  test("names the place in a list of lists", () => {
    const assignment = create(ClusterLoadAssignmentSchema, {
      clusterName: "c",
      endpoints: [
        { priority: 0, lbEndpoints: [host(80), { ...host(70_000), loadBalancingWeight: 0 }] },
      ],
      policy: { overprovisioningFactor: 0 },
    });
    assert.deepEqual(findViolations(ClusterLoadAssignmentSchema, assignment), [
      "endpoints[0].lbEndpoints[1].endpoint.address.socketAddress.portValue: must be at most 65535",
      "endpoints[0].lbEndpoints[1].loadBalancingWeight: must be at least 1",
      "policy.overprovisioningFactor: must be more than 0",
    ]);
  });

  test("takes sound endpoints", () => {
    const assignment = create(ClusterLoadAssignmentSchema, {
      clusterName: "c",
      endpoints: [{ lbEndpoints: [{ ...host(80), healthStatus: HealthStatus.UNHEALTHY }] }],
    });
    assert.deepEqual(findViolations(ClusterLoadAssignmentSchema, assignment), []);
  });

  test("finds a virtual host without domains and a route without a match", () => {
    const route = create(RouteConfigurationSchema, {
      name: "r",
      virtualHosts: [{ name: "v", domains: [], routes: [{ name: "x" }] }],
    });
    const violations = findViolations(RouteConfigurationSchema, route);
    assert.ok(
      violations.includes("virtualHosts[0].domains: must be at least 1 long"),
      String(violations),
    );
    assert.ok(
      violations.includes("virtualHosts[0].routes[0].match: must be set"),
      String(violations),
    );
    assert.ok(
      violations.includes("virtualHosts[0].routes[0].action: must be set"),
      String(violations),
    );
  });

  test("judges a case of a oneof only while it is set", () => {
    const prefix = create(StringMatcherSchema, {
      matchPattern: { case: "prefix", value: "spiffe://" },
    });
    assert.deepEqual(findViolations(StringMatcherSchema, prefix), []);
    const none = create(StringMatcherSchema, {});
    assert.deepEqual(findViolations(StringMatcherSchema, none), ["matchPattern: must be set"]);
    const empty = create(StringMatcherSchema, { matchPattern: { case: "prefix", value: "" } });
    assert.equal(findViolations(StringMatcherSchema, empty).length, 1);
  });

  test("looks into an Any whose type it knows, and not into others", () => {
    const listener = create(ListenerSchema, {
      name: "l",
      address: host(80) && {
        address: {
          case: "socketAddress",
          value: { address: "127.0.0.1", portSpecifier: { case: "portValue", value: 80 } },
        },
      },
      filterChains: [
        {
          filters: [
            {
              name: "tcp",
              configType: {
                case: "typedConfig",
                value: anyPack(TcpProxySchema, create(TcpProxySchema)),
              },
            },
          ],
          transportSocket: {
            name: "tls",
            configType: {
              case: "typedConfig",
              value: anyPack(
                UpstreamTlsContextSchema,
                create(UpstreamTlsContextSchema, { sni: "x".repeat(256) }),
              ),
            },
          },
        },
      ],
    });
    assert.deepEqual(findViolations(ListenerSchema, listener), []);
    const known = createRegistry(TcpProxySchema, UpstreamTlsContextSchema);
    const at = "filterChains[0]";
    assert.deepEqual(findViolations(ListenerSchema, listener, known).toSorted(), [
      `${at}.filters[0].typedConfig.clusterSpecifier: must be set`,
      `${at}.filters[0].typedConfig.statPrefix: must be at least 1 characters long`,
      `${at}.transportSocket.typedConfig.sni: must be at most 255 bytes long`,
    ]);
  });

  test("stops after the first few of very many", () => {
    const lbEndpoints = Array.from({ length: 1000 }, () => host(70_000));
    const assignment = create(ClusterLoadAssignmentSchema, {
      clusterName: "c",
      endpoints: [{ lbEndpoints }],
    });
    const violations = findViolations(ClusterLoadAssignmentSchema, assignment);
    assert.ok(violations.length > 0 && violations.length < 50, String(violations.length));
  });
});

describe("checkedResource()", () => {
  const key = { type: "cluster", name: goodCluster.name, schema: ClusterSchema } as const;

  test("seals what is sound", () => {
    const checked = checkedResource({ ...key, message: create(ClusterSchema, goodCluster) });
    assert.equal(checked.t, "ok");
  });

  test("withholds what the client would refuse, with the reason", () => {
    const message = create(ClusterSchema, { ...goodCluster, connectTimeout: durationFromMs(0) });
    const checked = checkedResource({ ...key, message });
    assert.deepEqual(checked, {
      t: "withheld",
      violations: ["connectTimeout: must be more than 0"],
    });
  });
});

describe("brokenRules()", () => {
  const cases = [
    [{ kind: "number", lt: 1, gte: 10 }, 5, 1],
    [{ kind: "number", lt: 1, gte: 10 }, 0, 0],
    [{ kind: "number", lt: 1, gte: 10 }, 10, 0],
    [{ kind: "number", gt: 0, ignoreEmpty: true }, 0, 0],
    [{ kind: "number", in: [1, 2] }, 3, 1],
    [{ kind: "bigint", lte: 8388608n, gte: 1n }, 0n, 1],
    [{ kind: "bigint", lte: 8388608n, gte: 1n }, 8388608n, 0],
    [{ kind: "bool", const: true }, false, 1],
    [{ kind: "duration", gte: 1 }, durationFromMs(0.5), 1],
    [{ kind: "duration", gte: 1 }, durationFromMs(1), 0],
    [{ kind: "enum", notIn: [0] }, 0, 1],
    [{ kind: "string", minLen: 2 }, "😀", 1],
    [{ kind: "string", maxBytes: 3 }, "😀", 1],
    [{ kind: "string", prefix: "/", ignoreEmpty: true }, "", 0],
    [{ kind: "string", prefix: "/" }, "a", 1],
    [{ kind: "string", pattern: "^[^?#]+[^?#/]$" }, "a?", 1],
    [{ kind: "string", pattern: "^[^?#]+[^?#/]$" }, "/a", 0],
    [{ kind: "string", wellKnown: "httpHeaderName" }, "x-a", 0],
    [{ kind: "string", wellKnown: "httpHeaderName" }, "x a", 1],
    [{ kind: "string", wellKnown: "httpHeaderName", strict: false }, "x a", 0],
    [{ kind: "string", wellKnown: "httpHeaderName", strict: false }, "x\na", 1],
    [{ kind: "string", wellKnown: "httpHeaderValue" }, "a\u0001", 1],
    [{ kind: "string", wellKnown: "httpHeaderValue" }, "a\tb", 0],
    [{ kind: "bytes", minLen: 1 }, new Uint8Array(), 1],
    [{ kind: "repeated", unique: true }, ["a", "a"], 1],
    [{ kind: "repeated", minItems: 1, ignoreEmpty: true }, [], 0],
    [{ kind: "map", minPairs: 1 }, {}, 1],
    [{ kind: "any", in: ["x"] }, { typeUrl: "y" }, 1],
  ] as const;
  for (const [rule, value, count] of cases) {
    const shown = JSON.stringify([rule, value], (_, v: unknown) =>
      typeof v === "bigint" ? String(v) : v,
    );
    test(`finds ${count} in ${shown}`, () => {
      assert.equal(brokenRules(rule, value).length, count);
    });
  }
});
