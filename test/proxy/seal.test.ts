import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { ServiceId } from "../../src/mesh/ids.ts";
import { edsCluster } from "../../src/proxy/resources/cluster-settings.ts";
import { upstreamTls } from "../../src/proxy/resources/tls.ts";
import { seal } from "../../src/proxy/seal.ts";
import { SubjectSet } from "../../src/proxy/subject-set.ts";
import type { Cluster } from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { TransportSocketSchema } from "../../src/xds/gen/envoy/config/core/v3/base_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";

const cluster = (name: string, connectTimeoutMs = 500): Cluster =>
  edsCluster(name, { connectTimeoutMs });

suite("seal()", () => {
  test("withholds what breaks a rule of its proto, and nothing else", () => {
    const sealed = seal([
      { t: "cluster", message: cluster("good") },
      { t: "cluster", message: cluster("bad", 0) },
    ]);
    assert.deepEqual(
      sealed.resources.map(({ name }) => name),
      ["good"],
    );
    assert.deepEqual(
      sealed.withheld.map(({ type, name }) => [type, name]),
      [["cluster", "bad"]],
    );
    assert.match(sealed.withheld[0]?.reason ?? "", /connectTimeout/);
  });

  test("looks into extensions", () => {
    const service = `${"n".repeat(200)}/${"s".repeat(200)}` as ServiceId;
    const message = cluster("long");
    const socket = upstreamTls({ service, port: 80, suffix: "svc.cluster.local" });
    message.transportSocket = create(TransportSocketSchema, socket);
    assert.match(seal([{ t: "cluster", message }]).withheld[0]?.reason ?? "", /sni/);
  });

  test("gives endpoints a new version with each one of their cluster", () => {
    const message = create(ClusterLoadAssignmentSchema, { clusterName: "cart" });
    const versions = ["1", "2", "2"].map(
      (after) => seal([{ t: "endpoint", message, after }]).resources[0]?.version,
    );
    assert.notEqual(versions[0], versions[1]);
    assert.equal(versions[1], versions[2]);
  });
});

suite("SubjectSet", () => {
  const put = (content: SubjectSet, drafts: readonly Cluster[]): void => {
    content.put("shop/cart", seal(drafts.map((message) => ({ t: "cluster", message }) as const)));
  };

  test("keeps the last good version of what is withheld, and takes it back in the end", () => {
    const content = new SubjectSet("test");
    put(content, [cluster("cart")]);
    const good = content.set.get("cluster", "cart")?.version;
    put(content, [cluster("cart", 0)]);
    assert.equal(content.set.get("cluster", "cart")?.version, good);
    assert.equal(content.withheld().length, 1);
    put(content, []);
    assert.equal(content.set.count("cluster"), 0);
    assert.deepEqual(content.withheld(), []);
  });

  test("removes what a subject no longer has, and nothing of others", () => {
    const content = new SubjectSet("test");
    content.put("shop/mail", seal([{ t: "cluster", message: cluster("mail") }]));
    put(content, [cluster("cart-80"), cluster("cart-81")]);
    put(content, [cluster("cart-81")]);
    assert.deepEqual([...content.set.names("cluster")], ["mail", "cart-81"]);
  });
});
