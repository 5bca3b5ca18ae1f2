import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import type { Cloud } from "../../../src/app/install/install-words.ts";
import { clouds } from "../../../src/app/install/install-words.ts";
import { inOrder, type Manifest } from "../../../src/app/install/manifest.ts";
import { readManifests } from "../../../src/app/install/manifest-files.ts";
import { run } from "../../cli/fake-terminal.ts";
import { type Json, until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";

interface Pod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly priority: number };
}

const apply = ["apply", "--server-side", "--validate=strict"];
const keyOf = ({ kind, metadata: { namespace, name } }: Manifest): string =>
  `${kind}/${namespace ?? ""}/${name}`;

suite("deploy/ on a real API server", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  before(async () => {
    cluster = await startCluster({ name: "deploy" });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });

  for (const cloud of clouds) {
    test(`readManifests() finds in deploy/${cloud} what kubectl kustomize does`, async () => {
      const printed = await cluster.kubectl(["kustomize", `deploy/${cloud}`]);
      const theirs = parseAllDocuments(printed).map((one) => one.toJS() as Manifest);
      const ours = readManifests(`deploy/${cloud}`);
      const sorted = (all: readonly Manifest[]): readonly Manifest[] =>
        all.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
      assert.deepEqual(sorted(ours), sorted(theirs));
    });

    test(`deploy/${cloud} is applied without an unknown field, and again`, async () => {
      await cluster.kubectl([...apply, "-k", `deploy/${cloud}`]);
      await cluster.kubectl([...apply, "--dry-run=server", "-k", `deploy/${cloud}`]);
      await cluster.kubectl([...apply, "--dry-run=server", "-k", `deploy/${cloud}/dns`]);
    });

    test(`the pods of deploy/${cloud} are admitted under Pod Security restricted`, async () => {
      const { api } = cluster;
      const pods = async (): Promise<readonly Pod[]> => {
        const path = "/api/v1/namespaces/isthmus-system/pods";
        return (await api.call<{ items: readonly Pod[] }>("GET", path)).items;
      };
      await until("two agents, and a gateway in each zone", async () => {
        const names = (await pods()).map(
          ({ metadata }) => metadata.labels["app.kubernetes.io/name"],
        );
        const count = (name: string): number => names.filter((one) => one === name).length;
        return count("isthmus-agent") === 2 && count("isthmus-gateway") === 3;
      });
      assert.deepEqual([...new Set((await pods()).map(({ spec }) => spec.priority))], [1_000_000]);
      const onHost = {
        metadata: { name: "strange" },
        spec: { hostNetwork: true, containers: [{ name: "a", image: "a" }] },
      };
      const path = "/api/v1/namespaces/isthmus-system/pods";
      await assert.rejects(api.call("POST", path, onHost), /violates PodSecurity \S*restricted/);
    });

    test(`install --cloud ${cloud} prints what applies over deploy/${cloud}, with names in it`, async () => {
      const printed = await installed(cluster, cloud);
      const names = parseAllDocuments(printed).map((one) => keyOf(one.toJS() as Manifest));
      const whole = inOrder(readManifests(`deploy/${cloud}`)).map(keyOf);
      assert.deepEqual(
        whole.filter((key) => !names.includes(key)),
        [],
      );
      await cluster.kubectl([...apply, "--force-conflicts", "-f", "-"], { input: printed });
      const path = "/api/v1/namespaces/isthmus-system/configmaps/isthmus-agent";
      const map = await cluster.api.call<{ data: Record<string, string> }>("GET", path);
      const { mesh, member, gateway } = parse(map.data["agent.yaml"] ?? "") as Json;
      assert.equal(mesh, "acme.mesh");
      assert.deepEqual(Object.values(member as object).slice(0, 1), ["here"]);
      assert.deepEqual(gateway, { addresses: ["gw.example"] });
    });

    test(`uninstall --cloud ${cloud} removes all that install made, and nothing else`, async () => {
      const { api } = cluster;
      assert.ok((await ours(cluster)).length > 20);
      const { out, code } = await run(["uninstall", "--cloud", cloud]);
      assert.equal(code, 0);
      await cluster.kubectl(["delete", "--ignore-not-found", "-f", "-"], { input: out });
      await until("the namespace is gone", async () => {
        return (await api.status("/api/v1/namespaces/isthmus-system")) === 404;
      });
      assert.deepEqual(await ours(cluster), []);
      assert.equal(await api.status("/api/v1/namespaces/kube-system"), 200);
    });
  }

  test("uninstall --keep-crds leaves exports where they are", async () => {
    const { out } = await run(["uninstall", "--cloud", "gke", "--keep-crds"]);
    const kinds = parseAllDocuments(out).map((one) => (one.toJS() as Manifest).kind);
    assert.equal(kinds.includes("CustomResourceDefinition"), false);
    assert.equal(kinds[0], "MutatingWebhookConfiguration");
    assert.equal(kinds.at(-1), "Namespace");
  });
});

async function installed(cluster: KubeCluster, cloud: Cloud): Promise<string> {
  const dns = "/api/v1/namespaces/isthmus-system/services/isthmus-dns";
  const { spec } = await cluster.api.call<{ spec: { clusterIP: string } }>("GET", dns);
  const words = `install --cloud ${cloud} --mesh acme.mesh --member here --region us-east-1
    --hub rediss://hub.example:6379 --gateway-address gw.example --dns-ip ${spec.clusterIP}
    --image registry.example/isthmus@sha256:${"0".repeat(64)}`;
  const { out, err, code } = await run(words.split(/\s+/));
  assert.equal(code, 0, err);
  return out;
}

/** The names of all objects of all kinds that can be listed and tell of us. */
async function ours(cluster: KubeCluster): Promise<readonly string[]> {
  const kinds = await cluster.kubectl(["api-resources", "--verbs=list", "-o", "name"]);
  const listed = kinds.split("\n").filter((kind) => kind !== "" && !kind.startsWith("events"));
  const names = await cluster.kubectl([
    "get",
    listed.join(","),
    "-A",
    "--ignore-not-found",
    "-o",
    "name",
  ]);
  // What it told the cluster's own DNS stays for the operator to take out.
  return names.split("\n").filter((name) => /isthmus|multicluster/.test(name));
}
