import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { encodeResource } from "../../../src/xds/encode.ts";
import {
  Cluster_DiscoveryType,
  Cluster_LbPolicy,
  ClusterSchema,
} from "../../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import type { Resource } from "../../../src/xds/resource.ts";
import { identityOf } from "../../gateway/identities.ts";
import { type RealEnvoy, skipWithoutEnvoy, startEnvoy, until } from "../../gateway/real-envoy.ts";
import { madeMesh } from "../../trust/made.ts";
import { sidecarId } from "./fixture.ts";

interface ClusterWish {
  readonly name: string;
  readonly connectTimeoutMs?: number;
  readonly lbPolicy?: Cluster_LbPolicy;
}

/** An EDS cluster with its one endpoint, whatever Envoy may think of it. */
function clusterWith(wish: ClusterWish): readonly Resource[] {
  const { name, connectTimeoutMs = 500, lbPolicy = Cluster_LbPolicy.ROUND_ROBIN } = wish;
  const cluster = encodeResource({
    type: "cluster",
    name,
    schema: ClusterSchema,
    message: create(ClusterSchema, {
      name,
      clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: {
        edsConfig: { configSourceSpecifier: { case: "ads", value: {} }, resourceApiVersion: 2 },
      },
      connectTimeout: durationFromMs(connectTimeoutMs),
      lbPolicy,
    }),
  });
  const endpoint = encodeResource({
    type: "endpoint",
    name,
    schema: ClusterLoadAssignmentSchema,
    message: create(ClusterLoadAssignmentSchema, { clusterName: name }),
    mixVersion: cluster.version,
  });
  return [cluster, endpoint];
}

interface ClusterDump {
  readonly configs?: readonly {
    readonly cluster: { readonly name: string; readonly connect_timeout: string };
  }[];
}

/** Name and connect timeout of each cluster that left the warming state. */
async function activeClusters(envoy: RealEnvoy): Promise<readonly string[]> {
  const dump = await envoy.admin<ClusterDump>("/config_dump?resource=dynamic_active_clusters");
  return (dump.configs ?? [])
    .map(({ cluster }) => `${cluster.name} ${cluster.connect_timeout}`)
    .sort();
}

for (const dialect of ["delta", "sotw"] as const) {
  suite(`a real Envoy on our ${dialect} stream`, { skip: skipWithoutEnvoy }, () => {
    let envoy: RealEnvoy;

    before(async () => {
      const mesh = await madeMesh(Date.now());
      envoy = await startEnvoy(
        "sidecar/nack",
        await identityOf(mesh, { issuer: mesh.east, id: sidecarId }),
        dialect,
      );
    });
    after(() => envoy[Symbol.asyncDispose]());

    const becomes = async (expected: readonly string[]): Promise<void> => {
      let actual: readonly string[] = [];
      await until(async () => {
        actual = await activeClusters(envoy);
        return actual.join() === expected.join();
      }).catch(() => assert.deepEqual(actual, expected));
    };

    test("drops a response for one broken constraint, and takes the good ones singly", async () => {
      const bad = clusterWith({ name: "bad", connectTimeoutMs: 0 });
      const nacks = await envoy.hold([
        ...clusterWith({ name: "a" }),
        ...bad,
        ...clusterWith({ name: "b" }),
      ]);
      assert.deepEqual(nacks[0]?.names, []);
      await becomes(["a 0.500s", "b 0.500s"]);
    });

    test("names the cluster it cannot build, and takes the others of the response", async () => {
      const bad = clusterWith({
        name: "bad",
        lbPolicy: Cluster_LbPolicy.LOAD_BALANCING_POLICY_CONFIG,
      });
      const nacks = await envoy.hold([
        ...clusterWith({ name: "c" }),
        ...bad,
        ...clusterWith({ name: "d" }),
      ]);
      assert.deepEqual(nacks[0]?.names, ["bad"], nacks[0]?.message);
      await becomes(["c 0.500s", "d 0.500s"]);
    });

    test("warms a changed cluster, because its endpoints follow though they are the same", async () => {
      await envoy.hold(clusterWith({ name: "e" }));
      await becomes(["e 0.500s"]);
      await envoy.hold(clusterWith({ name: "e", connectTimeoutMs: 700 }));
      await becomes(["e 0.700s"]);
    });

    test("holds 2,000 clusters that came in many parts", async () => {
      const wishes = Array.from({ length: 2000 }, (_, index) => ({ name: `part-${index}` }));
      assert.deepEqual(await envoy.hold(wishes.flatMap(clusterWith)), []);
      await becomes(wishes.map(({ name }) => `${name} 0.500s`).sort());
      assert.deepEqual(await envoy.hold([]), []);
      await becomes([]);
    });
  });
}
