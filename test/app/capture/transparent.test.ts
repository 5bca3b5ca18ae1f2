// Captured connections with real Envoys: applications dial names' addresses and know of no sidecar.
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { whyNoRegions } from "../../support/regions/regions.ts";
import { whyNot } from "../launcher/envoy/envoys.ts";
import { CapturedMesh, clusterIps } from "./captured-mesh.ts";

const skip =
  process.env["CI"] === undefined
    ? (whyNoRegions() ?? whyNot(process.env["ISTHMUS_ENVOY"]))
    : false;

const frontendId = "spiffe://east.acme.mesh/ns/shop/sa/frontend";

suite("transparent capture", { skip }, () => {
  let mesh: CapturedMesh;
  const carts = ["cartone", "carttwo"] as const;

  before(async () => {
    mesh = await CapturedMesh.open();
    const { pods, apps } = mesh;
    const at = (family: "v4" | "v6" = "v4") =>
      carts.map((name) => ({ name, address: pods.address(name, family) }));
    const serviceAccount = "cart";
    const http = { name: "http", port: 80, target: 8080 };
    await mesh.writeService({
      name: "cart",
      ips: clusterIps.cart,
      port: http,
      serviceAccount,
      workloads: at(),
    });
    await mesh.writeService({
      name: "six",
      ips: clusterIps.six,
      port: http,
      serviceAccount,
      workloads: at("v6"),
    });
    await mesh.writeService({
      name: "cache",
      ips: clusterIps.cache,
      port: { name: "tcp", port: 6379, target: 6379 },
      serviceAccount,
      workloads: at(),
    });
    await mesh.writeService({
      name: "db",
      port: { name: "tcp", port: 5432, target: 5432 },
      serviceAccount,
      workloads: at(),
    });
    await mesh.writeService({
      name: "legacy",
      ips: clusterIps.legacy,
      port: http,
      serviceAccount: "legacy",
      workloads: [{ name: "plain", address: pods.address("plain") }],
    });
    for (const name of [...carts, "plain"] as const) {
      await apps[name].serve({ kind: "http", name, host: "::", port: 8080 });
      await apps[name].serve({ kind: "echo", name, host: "::", port: 6379 });
      await apps[name].serve({ kind: "greet", name, host: "::", port: 5432 });
      await apps[name].serve({ kind: "http", name, host: "::", port: 9100 });
    }
    await apps.frontend.serve({ kind: "http", name: "frontend", host: "::", port: 8080 });
    await apps.node.serve({ kind: "http", name: "node", host: "::", port: 9000 });
    await Promise.all([
      mesh.startSidecar("frontend", { serviceAccount: "frontend" }),
      ...carts.map((pod) => mesh.startSidecar(pod, { serviceAccount })),
    ]);
    for (const pod of ["frontend", ...carts] as const) {
      const { code, err } = await mesh.run(pod, "capture", "apply", "--exclude-gids", "1337");
      assert.equal(code, 0, err);
    }
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
  });

  test("an application that dials a service's address gets there by mTLS, over HTTP", async () => {
    const seen = await mesh.apps.frontend.see({ host: clusterIps.cart.v4, port: 80 });
    assert.ok(carts.some((name) => name === seen.name));
    assert.deepEqual([seen.caller, seen.port, seen.from], [frontendId, 8080, "::ffff:127.0.0.6"]);
  });

  test("and by bytes", async () => {
    const said = await mesh.apps.frontend.ask({
      kind: "echo",
      host: clusterIps.cache.v4,
      port: 6379,
    });
    assert.match(said, /^cart(one|two) hello$/);
  });
});
