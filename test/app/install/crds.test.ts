import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { type Json, RefusedError, until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { goodSpecs, refused } from "./policies.ts";

interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly scope: "Namespaced" | "Cluster";
    readonly names: { readonly kind: string; readonly plural: string };
    readonly group: string;
  };
}

suite("the CRDs of isthmus.dev", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  const paths = new Map<string, string>();

  const create = (kind: string, object: { readonly name: string; readonly spec: object }) => {
    const path = `${paths.get(kind)}?fieldValidation=Strict`;
    return cluster.api.call("POST", path, {
      apiVersion: "isthmus.dev/v1alpha1",
      kind,
      metadata: { name: object.name },
      spec: object.spec,
    });
  };

  before(async () => {
    cluster = await startCluster({ name: "crds" });
    await cluster.kubectl(["apply", "--server-side", "--validate=strict", "-k", "deploy/crds"]);
    const list = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const { items } = await cluster.api.call<{ items: readonly Crd[] }>("GET", list);
    for (const { spec } of items.filter(({ spec: { group } }) => group === "isthmus.dev")) {
      const inside = spec.scope === "Namespaced" ? "/namespaces/default" : "";
      const path = `/apis/isthmus.dev/v1alpha1${inside}/${spec.names.plural}`;
      paths.set(spec.names.kind, path);
      await until(`${path} is served`, async () => (await cluster.api.status(path)) === 200);
    }
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  test("are the kinds whose fields are known", () => {
    assert.deepEqual([...paths.keys()].sort(), Object.keys(goodSpecs).sort());
  });

  for (const [kind, spec] of Object.entries(goodSpecs)) {
    test(`${kind} takes all of its fields, and a status of conditions and proxies`, async () => {
      await create(kind, { name: "good", spec });
      const condition = {
        type: "Accepted",
        status: "False",
        reason: "NotActedUpon",
        message: "This version does not act on it",
        lastTransitionTime: "2026-11-21T00:00:00Z",
        observedGeneration: 1,
      };
      const status = {
        observedGeneration: 1,
        conditions: [condition],
        proxies: { told: 3, acknowledged: 2 },
      };
      const path = `${paths.get(kind)}/good/status?fieldValidation=Strict`;
      const saved = await cluster.api.call<Json>("PATCH", path, { status });
      assert.deepEqual(saved["status"], status);
      const columns = await cluster.kubectl(["get", `${kind.toLowerCase()}.isthmus.dev`, "good"]);
      assert.match(columns, /ACCEPTED +PROGRAMMED/);
      assert.match(columns, /False/);
    });
  }

  for (const { claim, kind, spec, names } of refused) {
    test(`${kind} refuses ${claim}, and says where`, async () => {
      await assert.rejects(create(kind, { name: "bad", spec }), (thrown: unknown) => {
        assert.ok(thrown instanceof RefusedError, String(thrown));
        assert.equal(thrown.status, 422, thrown.message);
        assert.match(thrown.message, names);
        return true;
      });
    });
  }

  test("a drill cannot be changed, only deleted", async () => {
    const spec = goodSpecs["Drill"] ?? {};
    await create("Drill", { name: "fixed", spec });
    const path = `${paths.get("Drill")}/fixed`;
    await assert.rejects(
      cluster.api.call("PATCH", path, { spec: { duration: "20m" } }),
      /spec: a drill cannot be changed/,
    );
    await cluster.api.call("DELETE", path);
    assert.equal(await cluster.api.status(path), 404);
  });
});
