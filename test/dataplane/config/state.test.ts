import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { ListenerModel } from "../../../src/dataplane/config/model.ts";
import {
  applyDelta,
  type ConfigState,
  emptyConfig,
  engineTypes,
  forgetUnwanted,
  isListenerWarm,
  versionsOf,
  wantedNames,
} from "../../../src/dataplane/config/state.ts";
import { testTrust } from "../support/certificates.ts";
import {
  address,
  allow,
  assignment,
  cluster,
  downstreamTls,
  edsCluster,
  extension,
  gatewayListener,
  hosts,
  listener,
  sniCluster,
  type TestResource,
  tcpProxy,
  tlsInspector,
  upstreamTls,
  validation,
} from "../support/resources.ts";

const runs = Number(process.env["ISTHMUS_FUZZ"] ?? 2_000);
const { bundlePem } = await testTrust();

function apply(config: ConfigState, ...resources: readonly TestResource[]): string[] {
  return resources.flatMap((resource) =>
    applyDelta(config, { type: resource.type, upserts: [resource], removed: [] }).refused.map(
      ({ reason }) => reason,
    ),
  );
}

function refusal(resource: TestResource): string {
  const [reason = "taken"] = apply(emptyConfig(), resource);
  return reason;
}

const chain = (fields: object): TestResource =>
  listener({ name: "l", address: address(80), filterChains: [fields as never] });
const http = extension("filters.network.http_connection_manager.v3.HttpConnectionManager", {
  statPrefix: "h",
});

describe("applyDelta() refuses what the engine cannot do and names the field", () => {
  for (const [what, resource, field] of [
    ["HTTP", chain({ filters: [http] }), "filterChains[0].filters[0].typedConfig"],
    [
      "a second bound address",
      listener({
        name: "l",
        address: address(80),
        additionalAddresses: [{ address: address(81) }],
        filterChains: [{ filters: [tcpProxy("c")] }],
      }),
      "additionalAddresses",
    ],
    [
      "original destinations",
      listener({
        name: "l",
        address: address(80),
        useOriginalDst: true,
        filterChains: [{ filters: [tcpProxy("c")] }],
      }),
      "useOriginalDst",
    ],
    [
      "a choice by source address",
      chain({
        filterChainMatch: { sourcePrefixRanges: [{ addressPrefix: "10.0.0.0", prefixLen: 8 }] },
        filters: [tcpProxy("c")],
      }),
      "filterChains[0].filterChainMatch.sourcePrefixRanges",
    ],
    [
      "a choice by name that nobody reads",
      chain({ filterChainMatch: { serverNames: ["a"] }, filters: [tcpProxy("c")] }),
      "filterChains",
    ],
    [
      "weighted clusters",
      chain({
        filters: [
          extension("filters.network.tcp_proxy.v3.TcpProxy", {
            statPrefix: "t",
            weightedClusters: { clusters: [{ name: "a", weight: 1 }] },
          }),
        ],
      }),
      "filterChains[0].filters[0].typedConfig.weightedClusters",
    ],
    [
      "a limit on a connection's age",
      chain({ filters: [tcpProxy("c", { maxDownstreamConnectionDuration: "1s" })] }),
      "filterChains[0].filters[0].typedConfig.maxDownstreamConnectionDuration",
    ],
    [
      "a chain without an end",
      chain({ filters: [allow({ prefix: "spiffe://a/" })] }),
      "filterChains[0].filters[0]",
    ],
    [
      "RBAC that needs a path",
      chain({
        filters: [
          extension("filters.network.rbac.v3.RBAC", {
            statPrefix: "r",
            rules: {
              policies: {
                p: {
                  permissions: [{ any: true }],
                  principals: [{ urlPath: { path: { exact: "/" } } }],
                },
              },
            },
          }),
          tcpProxy("c"),
        ],
      }),
      'filterChains[0].filters[0].typedConfig.rules.policies["p"].principals[0].urlPath',
    ],
    [
      "RBAC by port",
      chain({
        filters: [
          extension("filters.network.rbac.v3.RBAC", {
            statPrefix: "r",
            rules: {
              policies: {
                p: { permissions: [{ destinationPort: 80 }], principals: [{ any: true }] },
              },
            },
          }),
          tcpProxy("c"),
        ],
      }),
      'filterChains[0].filters[0].typedConfig.rules.policies["p"].permissions[0].destinationPort',
    ],
    [
      "RBAC for an empty prefix",
      chain({ filters: [allow({ prefix: "" }), tcpProxy("c")] }),
      'filterChains[0].filters[0].rules.policies["callers"].principals.principalName',
    ],
    [
      "TLS without client certificates",
      chain({
        transportSocket: extension("transport_sockets.tls.v3.DownstreamTlsContext", {
          commonTlsContext: {
            tlsCertificateSdsSecretConfigs: [{ name: "identity" }],
            validationContextSdsSecretConfig: { name: "v" },
          },
        }),
        filters: [tcpProxy("c")],
      }),
      "filterChains[0].transportSocket.requireClientCertificate",
    ],
    [
      "a certificate inside the listener",
      chain({
        transportSocket: extension("transport_sockets.tls.v3.DownstreamTlsContext", {
          requireClientCertificate: true,
          commonTlsContext: { tlsCertificates: [{}] },
        }),
        filters: [tcpProxy("c")],
      }),
      "filterChains[0].transportSocket.typedConfig.commonTlsContext.tlsCertificates",
    ],
    [
      "TLS 1.2 at most",
      edsCluster("c", {
        transportSocket: extension("transport_sockets.tls.v3.UpstreamTlsContext", {
          commonTlsContext: {
            tlsParams: { tlsMaximumProtocolVersion: "TLSv1_2" },
            tlsCertificateSdsSecretConfigs: [{ name: "identity" }],
            validationContextSdsSecretConfig: { name: "v" },
          },
        }),
      }),
      "transportSocket.tlsParams.tlsMaximumProtocolVersion",
    ],
    [
      "names outside SDS",
      edsCluster("c", {
        transportSocket: extension("transport_sockets.tls.v3.UpstreamTlsContext", {
          commonTlsContext: {
            tlsCertificateSdsSecretConfigs: [{ name: "identity" }],
            combinedValidationContext: {
              defaultValidationContext: {
                matchTypedSubjectAltNames: [{ sanType: "URI", matcher: { exact: "spiffe://a/b" } }],
              },
              validationContextSdsSecretConfig: { name: "v" },
            },
          },
        }),
      }),
      "transportSocket.combinedValidationContext.defaultValidationContext",
    ],
    ["DNS clusters", cluster({ name: "c", type: "STRICT_DNS" }), "type"],
    ["ring hash", edsCluster("c", { lbPolicy: "RING_HASH" }), "lbPolicy"],
    [
      "active health checks",
      edsCluster("c", {
        healthChecks: [
          {
            timeout: "1s",
            interval: "1s",
            unhealthyThreshold: 1,
            healthyThreshold: 1,
            tcpHealthCheck: {},
          },
        ],
      }),
      "healthChecks",
    ],
    [
      "subsets",
      edsCluster("c", { lbSubsetConfig: { fallbackPolicy: "ANY_ENDPOINT" } }),
      "lbSubsetConfig",
    ],
    [
      "zone-aware routing",
      edsCluster("c", { commonLbConfig: { zoneAwareLbConfig: {} } }),
      "commonLbConfig.zoneAwareLbConfig",
    ],
  ] as const) {
    test(what, () => {
      const reason = refusal(resource);
      assert.match(reason, /^Cannot apply field /);
      assert.equal(reason.slice("Cannot apply field ".length).split(": it ")[0], field);
    });
  }

  test("a private key over ADS", () => {
    const secret = validation("identity", { bundlePem });
    const key = Buffer.from("0a086964656e74697479" + "1200", "hex");
    assert.match(refusal({ ...secret, value: key }), /Cannot apply field tlsCertificate:/);
  });

  for (const [what, pem, truth] of [
    ["no PEM", "", "no PEM certificate"],
    [
      "broken",
      "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
      "a broken certificate",
    ],
  ] as const) {
    test(`a bundle that is ${what}, before TLS meets it`, () => {
      assert.ok(
        refusal(validation("v", { bundlePem: pem })).endsWith(`trustedCa: it holds ${truth}`),
      );
    });
  }

  test("endpoints by host name, and priorities with a gap", () => {
    assert.match(refusal(hosts("c", [{ port: 80, host: "example.com" }])), /not an IP address/);
    const entry = (priority: number, port: number): JsonObject => ({
      priority,
      lbEndpoints: [{ endpoint: { address: address(port) } }],
    });
    assert.match(
      refusal(assignment({ clusterName: "c", endpoints: [entry(0, 1), entry(2, 2)] })),
      /skips 1/,
    );
  });

  test("two chains for one name", () => {
    const one = {
      filterChainMatch: { serverNames: ["*.a"] },
      filters: [sniCluster, tcpProxy("none")],
    };
    const twice = listener({
      name: "l",
      address: address(80),
      listenerFilters: [tlsInspector()],
      filterChains: [one, one],
    });
    assert.match(refusal(twice), /match "\*\.a" twice/);
  });
});

describe("applyDelta()", () => {
  test("takes what is good and keeps the last good one of what is not", () => {
    const config = emptyConfig();
    const good = edsCluster("a");
    apply(config, good);
    const upserts = [
      { ...edsCluster("a", { lbPolicy: "MAGLEV" }), version: "bad" },
      edsCluster("b"),
    ];
    const { changed, refused } = applyDelta(config, { type: "cluster", upserts, removed: [] });
    assert.deepEqual([changed, refused.map(({ name }) => name)], [["b"], ["a"]]);
    assert.equal(versionsOf(config, "cluster")["a"], good.version);
  });

  test("asks for exactly what clusters and listeners need, and forgets what none needs", () => {
    const config = emptyConfig();
    const matches = [
      {
        name: "m",
        match: { mtls: "true" },
        transportSocket: upstreamTls({ secret: "validation|shop/cart", sni: "s" }),
      },
    ];
    apply(
      config,
      edsCluster("a", { transportSocketMatches: matches }),
      edsCluster("b", { edsClusterConfig: { serviceName: "b-eds", edsConfig: { ads: {} } } }),
    );
    apply(config, chain({ transportSocket: downstreamTls(), filters: [tcpProxy("a")] }));
    const wanted = wantedNames(config);
    assert.deepEqual(
      [[...wanted.endpoint], [...wanted.secret]],
      [
        ["a", "b-eds"],
        ["validation|shop/cart", "validation|mesh"],
      ],
    );
    apply(config, hosts("a", []), hosts("b-eds", []));
    applyDelta(config, { type: "cluster", upserts: [], removed: ["b"] });
    forgetUnwanted(config);
    assert.deepEqual([...config.endpoint.keys()], ["a"]);
  });

  test("never throws on junk, whatever the type", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...engineTypes),
        fc.uint8Array({ maxLength: 200 }),
        (type, value) => {
          applyDelta(emptyConfig(), {
            type,
            upserts: [{ name: "x", version: "1", value }],
            removed: [],
          });
        },
      ),
      { numRuns: runs },
    );
  });

  test("never throws on a damaged resource", () => {
    const door = gatewayListener(80, { probeSni: "p", agents: ["spiffe://a/b"] });
    fc.assert(
      fc.property(fc.nat(door.value.length - 1), fc.nat(255), (at, byte) => {
        const value = Buffer.from(door.value);
        value[at] = byte;
        applyDelta(emptyConfig(), { type: "listener", upserts: [{ ...door, value }], removed: [] });
      }),
      { numRuns: runs },
    );
  });
});

describe("isListenerWarm()", () => {
  const door = gatewayListener(80, { probeSni: "p", agents: ["spiffe://a/b"] });
  const modelOf = (config: ConfigState, name: string): ListenerModel => {
    const model = config.listener.get(name)?.model;
    assert.ok(model);
    return model;
  };

  test("waits for the clusters, their endpoints and the validation contexts", () => {
    const config = emptyConfig();
    apply(config, door);
    const isWarm = (): boolean => isListenerWarm(config, modelOf(config, "gateway"));
    assert.equal(isWarm(), false);
    apply(config, edsCluster("s"));
    assert.equal(isWarm(), false);
    apply(config, hosts("s", [{ port: 1 }]));
    assert.equal(isWarm(), false);
    apply(config, validation("validation|mesh", { bundlePem }));
    assert.equal(isWarm(), true);
  });

  test("does not wait for a cluster that does not exist, nor for endpoints that are known to be absent", () => {
    const config = emptyConfig();
    apply(config, chain({ filters: [tcpProxy("a")] }));
    const isWarm = (): boolean => isListenerWarm(config, modelOf(config, "l"));
    applyDelta(config, { type: "cluster", upserts: [], removed: [] });
    assert.equal(isWarm(), true);
    apply(config, edsCluster("a"));
    assert.equal(isWarm(), false);
    applyDelta(config, { type: "endpoint", upserts: [], removed: ["a"] });
    assert.equal(isWarm(), true);
  });
});
