// Pods as the webhook makes them, run as a kubelet would: init step, sidecar, application, probes.
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import type { PodApp } from "../../support/pods/pod-app.ts";
import { whyNoRegions } from "../../support/regions/regions.ts";
import { whyNot } from "../launcher/envoy/envoys.ts";
import { InjectedMesh, type PodName } from "./injected/injected-mesh.ts";
import {
  type Container,
  environmentOf,
  type PodObject,
  probeTarget,
} from "./injected/pod-object.ts";

const envoy = process.env["ISTHMUS_ENVOY"];
const skip =
  process.env["CI"] === undefined
    ? (whyNoRegions() ?? (whyNot(envoy) || skipWithoutKubernetes))
    : false;
const periodSeconds = 5;
const deadPort = 7000;

suite("pods with what the webhook gave them", { skip }, () => {
  let mesh: InjectedMesh;
  const made = new Map<PodName, PodObject>();
  const apps = new Map<PodName, PodApp>();
  let clusterIp = "";

  before(async () => {
    mesh = await InjectedMesh.open(envoy ?? "");
    const { spec } = await mesh.cluster.api.call<{ spec: { clusterIP: string } }>(
      "POST",
      "/api/v1/namespaces/shop/services",
      {
        metadata: { name: "cart" },
        spec: {
          selector: { app: "cart" },
          ports: [{ name: "http", port: 80, targetPort: "web", appProtocol: "http" }],
        },
      },
    );
    clusterIp = spec.clusterIP;
    made.set("cart", await mesh.place("cart", cartSpec, { app: "cart" }));
    made.set("frontend", await mesh.place("frontend", appSpec));
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
  });

  const podOf = (name: PodName): PodObject => made.get(name) ?? assert.fail(name);
  const injected = (name: PodName): readonly [Container, Container] => {
    const [capture, sidecar] = podOf(name).spec.initContainers ?? [];
    assert.ok(capture !== undefined && sidecar !== undefined);
    return [capture, sidecar];
  };

  test("the API server gives them back with an init step and a native sidecar", () => {
    for (const name of ["cart", "frontend"] as const) {
      const [capture, sidecar] = injected(name);
      assert.deepEqual(
        [capture.name, sidecar.name, sidecar.restartPolicy],
        ["isthmus-capture", "isthmus-sidecar", "Always"],
      );
    }
    // The node's label, by the API server's copy of it.
    const { ISTHMUS_CONFIG = "" } = environmentOf(podOf("cart"), injected("cart")[1]);
    const { zone, workload } = JSON.parse(ISTHMUS_CONFIG) as Record<string, string>;
    assert.deepEqual([zone, workload], ["zone-a", "cart"]);
  });

  for (const name of ["cart", "frontend"] as const) {
    test(`${name}: the init step ends well, with no right but that to rules of its network`, async () => {
      const { code, out, err } = await mesh.runContainer(name, injected(name)[0]);
      assert.equal(code, 0, out + err);
      const rules = await mesh.pods.exec(name, ["nft", "list", "tables"]);
      assert.equal(rules.out, "table inet isthmus\n");
    });

    test(`${name}: the sidecar passes its start probe without any right, by its pod's token`, async () => {
      const [, sidecar] = injected(name);
      const status = await mesh.startContainer(podOf(name), sidecar);
      assert.match(status, /^Uid:\s1337\s1337\s1337\s1337$/m);
      for (const set of ["Prm", "Eff", "Bnd", "Amb"]) {
        assert.match(status, new RegExp(`^Cap${set}:\\s0{16}$`, "m"));
      }
      for (const probe of [sidecar.startupProbe, sidecar.readinessProbe, sidecar.livenessProbe]) {
        await until("it is answered", async () => (await mesh.probe(name, sidecar, probe)) === 200);
      }
      const app = await mesh.startApp(name);
      apps.set(name, app);
      await app.serve({ kind: "http", name, host: "::", port: 8080 });
      await app.serve({ kind: "echo", name, host: "::", port: 6379 });
      await mesh.setReady(name, true);
    });
  }

  test("an application reaches a service by its ClusterIP, and is known there by its pod's account", async () => {
    const app = apps.get("frontend") ?? assert.fail();
    let last = "";
    await until("its sidecar knows the service", async () => {
      last = await app.ask({ kind: "http", host: clusterIp, port: 80 });
      return last.includes("spiffe://");
    }).catch((thrown: unknown) => assert.fail(`${String(thrown)}: ${last}`));
    const { caller, name, from } = await app.see({ host: clusterIp, port: 80 });
    assert.deepEqual(
      { caller, name, from },
      {
        caller: "spiffe://east.acme.mesh/ns/shop/sa/frontend",
        name: "cart",
        from: "::ffff:127.0.0.6",
      },
    );
  });

  test("a kubelet's probes say what the application does", async () => {
    const [app, dead] = podOf("cart").spec.containers;
    assert.ok(app !== undefined && dead !== undefined);
    assert.equal(await mesh.probe("cart", app, app.readinessProbe), 200);
    assert.equal(probeTarget(app, app.livenessProbe ?? {}), ":15021/probe/tcp/6379");
    assert.equal(await mesh.probe("cart", app, app.livenessProbe), 200);
    // Nothing listens there, and the sidecar does not hide it.
    assert.equal(probeTarget(dead, dead.livenessProbe ?? {}), `:15021/probe/tcp/${deadPort}`);
    assert.equal(await mesh.probe("cart", dead, dead.livenessProbe), 503);
  });

  test("isthmus check names pods that were made before the label of their namespace", async () => {
    await mesh.cluster.createNamespace("bank");
    await mesh.cluster.api.call("POST", "/api/v1/namespaces/bank/pods", {
      metadata: { name: "late" },
      spec: appSpec,
    });
    await mesh.cluster.api.call("PATCH", "/api/v1/namespaces/bank", {
      metadata: { labels: { "isthmus.dev/inject": "enabled" } },
    });
    const found = async (): Promise<readonly string[]> => {
      const { out } = await mesh.run("check", "--json");
      const { findings } = JSON.parse(out) as { findings: { code: string; subject: string }[] };
      return findings
        .filter(({ code }) => code === "SOURCE_POD_NOT_INJECTED")
        .map(({ subject }) => subject);
    };
    await until("it is named", async () => (await found()).length > 0);
    assert.deepEqual(await found(), ["Namespace/bank"]);
  });
});

const appSpec = { containers: [{ name: "app", image: "app" }] };
const cartSpec = {
  containers: [
    {
      name: "app",
      image: "cart",
      ports: [
        { name: "web", containerPort: 8080 },
        { name: "cache", containerPort: 6379 },
      ],
      readinessProbe: { httpGet: { path: "/healthy", port: "web" }, periodSeconds },
      livenessProbe: { tcpSocket: { port: "cache" }, periodSeconds },
    },
    {
      name: "dead",
      image: "cart",
      livenessProbe: { tcpSocket: { port: deadPort }, periodSeconds },
    },
  ],
};
