import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, createRegistry, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyPack, DurationSchema, durationFromMs } from "@bufbuild/protobuf/wkt";
import { findViolations } from "../../src/xds/constraints.ts";
import type { Cluster } from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
  Cluster_CommonLbConfigSchema,
  ClusterSchema,
} from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { OutlierDetectionSchema } from "../../src/xds/gen/envoy/config/cluster/v3/outlier_detection_pb.ts";
import { MetadataSchema } from "../../src/xds/gen/envoy/config/core/v3/base_pb.ts";
import { TcpProxySchema } from "../../src/xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { pack } from "../../src/xds/pack.ts";
import { shared, wholeOf } from "../../src/xds/shared.ts";

type ClusterInit = Exclude<MessageInitShape<typeof ClusterSchema>, Cluster>;

const name = "outbound|80||cart.shop.svc.cluster.local";
const lb = { healthyPanicThreshold: { value: 1 }, updateMergeWindow: durationFromMs(0) };
const metadata = { filterMetadata: { "envoy.lb": { canary: true, weights: [1, 2.5] } } };
const tcp = { statPrefix: "tcp", clusterSpecifier: { case: "cluster", value: name } } as const;

const extensions = createRegistry(TcpProxySchema);
const violations = (init: ClusterInit): readonly string[] =>
  findViolations(ClusterSchema, create(ClusterSchema, init), extensions);

describe("shared()", () => {
  const whole: ClusterInit = {
    name,
    connectTimeout: durationFromMs(500),
    commonLbConfig: lb,
    metadata,
    typedExtensionProtocolOptions: { tcp: anyPack(TcpProxySchema, create(TcpProxySchema, tcp)) },
    trackClusterStats: {},
  };
  const spliced: ClusterInit = {
    ...whole,
    connectTimeout: shared(DurationSchema, durationFromMs(500)),
    commonLbConfig: shared(Cluster_CommonLbConfigSchema, lb),
    metadata: shared(MetadataSchema, metadata),
    typedExtensionProtocolOptions: { tcp: shared(AnySchema, pack(TcpProxySchema, tcp)) },
  };

  test("leaves the bytes of what contains it as they are, each time", () => {
    const expected = toBinary(ClusterSchema, create(ClusterSchema, whole));
    for (const _ of [1, 2]) {
      assert.deepEqual(toBinary(ClusterSchema, create(ClusterSchema, spliced)), expected);
    }
  });

  test("keeps its fields for wholeOf()", () => {
    const part = shared(DurationSchema, durationFromMs(500));
    assert.deepEqual(wholeOf(part), durationFromMs(500));
    assert.equal(wholeOf("else"), "else");
  });

  test("hides nothing from a check, each time", () => {
    const parts: ReadonlyArray<readonly [ClusterInit, string]> = [
      [
        { connectTimeout: shared(DurationSchema, durationFromMs(0)) },
        "connectTimeout: must be more than 0",
      ],
      [
        { outlierDetection: shared(OutlierDetectionSchema, { maxEjectionPercent: 101 }) },
        "outlierDetection.maxEjectionPercent: must be at most 100",
      ],
      [
        {
          typedExtensionProtocolOptions: {
            tcp: shared(AnySchema, pack(TcpProxySchema, { ...tcp, statPrefix: "" })),
          },
        },
        "typedExtensionProtocolOptions[tcp].statPrefix: must be at least 1 characters long",
      ],
    ];
    for (const [init, expected] of parts) {
      for (const _ of [1, 2]) assert.deepEqual(violations({ ...spliced, ...init }), [expected]);
    }
    assert.deepEqual(violations(spliced), []);
  });

  test("is not held for sound when the list of violations was full before it came", () => {
    const bad = shared(OutlierDetectionSchema, { maxEjectionPercent: 101 });
    const healthChecks = Array.from({ length: 20 }, () => ({}));
    violations({ ...whole, healthChecks, outlierDetection: bad });
    assert.equal(violations({ ...whole, outlierDetection: bad }).length, 1);
  });
});
