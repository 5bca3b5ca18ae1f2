// Captured connections with real Envoys: applications dial names' addresses and know of no sidecar.
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { nodeAddress, strangeAddress } from "../../support/pods/pods.ts";
import { whyNoRegions } from "../../support/regions/regions.ts";
import { whyNot } from "../launcher/envoy/envoys.ts";
import { CapturedMesh, clusterIps, type PodName } from "./captured-mesh.ts";

const skip =
  process.env["CI"] === undefined
    ? (whyNoRegions() ?? whyNot(process.env["ISTHMUS_ENVOY"]))
    : false;

const account = (name: string): string => `spiffe://east.acme.mesh/ns/shop/sa/${name}`;
/** What callers claim in a header: seen only where no sidecar stands before the server. */
const forged = account("forged");
const carts = ["cartone", "carttwo"] as const;
const fromSidecar = "::ffff:127.0.0.6";

suite("transparent capture", { skip }, () => {
  let mesh: CapturedMesh;

  before(async () => {
    mesh = await CapturedMesh.open();
    await writeServices(mesh);
    await startApps(mesh);
    await Promise.all([
      mesh.startSidecar("frontend", { serviceAccount: "frontend" }),
      mesh.startSidecar("cartone", { serviceAccount: "cart" }),
      mesh.startSidecar("carttwo", {
        serviceAccount: "cart",
        capture: "{ transparent: { openPorts: [9100] } }",
      }),
      mesh.startSidecar("strict", {
        serviceAccount: "strict",
        capture: "{ transparent: { unknown: block, plaintextFrom: [] } }",
      }),
    ]);
    await capture(mesh, "frontend");
    await capture(mesh, "cartone");
    await capture(mesh, "carttwo", "--config", `${mesh.pods.dir}/carttwo.yaml`);
    await capture(mesh, "strict", "--exclude-outbound-ports", "9001");
  });
  after(async () => {
    await mesh?.[Symbol.asyncDispose]();
  });

  suite("an application that knows of no sidecar", () => {
    test("reaches a service's address by mTLS, over HTTP", async () => {
      const seen = await mesh.apps.frontend.see({ host: clusterIps.cart.v4, port: 80 });
      assert.ok(carts.some((name) => name === seen.name));
      assert.deepEqual(
        [seen.caller, seen.port, seen.from],
        [account("frontend"), 8080, fromSidecar],
      );
    });

    test("and by bytes", async () => {
      const { v4: host } = clusterIps.cache;
      const said = await mesh.apps.frontend.ask({ kind: "echo", host, port: 6379 });
      assert.match(said, /^cart(one|two) hello$/);
      assert.ok((await mesh.opened("frontend", 'mesh_service="cache.shop"')) > 0);
    });

    test("and over IPv6", async () => {
      const seen = await mesh.apps.frontend.see({ host: clusterIps.six.v6, port: 80 });
      assert.ok(carts.some((name) => name === seen.name));
      assert.deepEqual([seen.caller, seen.port, seen.from], [account("frontend"), 8080, "::1"]);
    });

    test("reaches the very workload of a headless service, also where the server speaks first", async () => {
      for (const name of carts) {
        const host = mesh.pods.address(name);
        const said = await mesh.apps.frontend.ask({ kind: "greet", host, port: 5432 });
        assert.equal(said, `${name} greets`);
      }
      assert.equal(await mesh.opened("frontend", 'mesh_service="db.shop"'), 2);
    });

    test("reaches a service whose workloads have no sidecar", async () => {
      const seen = await mesh.apps.frontend.see({ host: clusterIps.legacy.v4, port: 80 });
      assert.deepEqual([seen.name, seen.from], ["plain", ofPod("frontend")]);
    });

    test("reaches destinations that nobody knows", async () => {
      const seen = await mesh.apps.frontend.see({ host: nodeAddress.v4, port: 9000 });
      assert.equal(seen.name, "node");
      const overSix = await mesh.apps.frontend.see({ host: nodeAddress.v6, port: 9000 });
      assert.equal(overSix.name, "node");
      assert.ok((await mesh.opened("frontend", 'envoy_cluster_name="PassthroughCluster"')) >= 2);
    });

    test("reaches its own service, its own address and its own loopback", async () => {
      const { cartone } = mesh.apps;
      const names = new Set<string>();
      for (let tries = 0; tries < 20 && names.size < 2; tries += 1) {
        const seen = await cartone.see({ host: clusterIps.cart.v4, port: 80 });
        assert.equal(seen.caller, account("cart"));
        names.add(seen.name);
      }
      assert.deepEqual([...names].sort(), ["cartone", "carttwo"]);
      for (const host of [mesh.pods.address("cartone"), "127.0.0.1", "::1"]) {
        assert.equal((await cartone.see({ host, port: 8080 })).caller, forged, host);
      }
    });

    test("is not captured when it runs as the sidecar's user", async () => {
      const curl = ["curl", "-sS", "--max-time", "10", `http://${clusterIps.cart.v4}/`];
      assert.equal((await mesh.pods.exec("frontend", curl)).code, 0);
      const sidecar = ["setpriv", "--reuid", "1337", "--regid", "1000", "--clear-groups"];
      // Nothing but a sidecar leads to a ClusterIP here.
      assert.notEqual((await mesh.pods.exec("frontend", [...sidecar, ...curl])).code, 0);
    });
  });

  test("no Envoy refuses what it is told", async () => {
    const { out } = await mesh.run("node", "proxy", "list", "--json");
    const { proxies } = JSON.parse(out) as {
      readonly proxies: readonly { readonly types: readonly { readonly refused: number }[] }[];
    };
    assert.equal(proxies.length, 4);
    assert.ok(proxies.every(({ types }) => types.every(({ refused }) => refused === 0)));
  });

  suite("callers without a sidecar", () => {
    const callers = ["plain", "node"] as const;

    test("are let in from the own networks, and proven to be nobody", async () => {
      for (const caller of callers) {
        for (const host of [mesh.pods.address("cartone"), mesh.pods.address("cartone", "v6")]) {
          const seen = await mesh.apps[caller].see({ host, port: 8080 });
          assert.deepEqual([seen.name, seen.caller], ["cartone", ""]);
        }
      }
    });

    test("are let in at ports that no service leads to", async () => {
      const host = mesh.pods.address("cartone");
      const seen = await mesh.apps.plain.see({ host, port: 9100 });
      assert.deepEqual([seen.name, seen.from], ["cartone", fromSidecar]);
    });

    test("wait a little where the server speaks first", async () => {
      const host = mesh.pods.address("cartone");
      assert.equal(
        await mesh.apps.plain.ask({ kind: "greet", host, port: 5432 }),
        "cartone greets",
      );
    });

    test("meet the application itself at open ports, and readiness at the sidecar's", async () => {
      const host = mesh.pods.address("carttwo");
      const seen = await mesh.apps.plain.see({ host, port: 9100 });
      assert.deepEqual([seen.name, seen.from], ["carttwo", ofPod("plain")]);
      const ready = ["curl", "-sS", `http://${mesh.pods.address("strict")}:15021/readyz`];
      assert.equal((await mesh.pods.exec("node", ready)).out, "ok\n");
    });

    test("are refused from elsewhere, at every port", async () => {
      const host = mesh.pods.address("cartone");
      for (const port of [8080, 9100]) {
        const said = await mesh.apps.node.ask({ kind: "http", host, port, from: strangeAddress });
        assert.equal(said, "error: ECONNRESET", String(port));
      }
    });

    test("go round in no circles", async () => {
      const host = mesh.pods.address("cartone");
      for (const port of [15_001, 15_006]) {
        const said = await mesh.apps.plain.ask({ kind: "http", host, port });
        assert.equal(said, "error: ECONNRESET", String(port));
      }
      for (const port of [15_001, 15_006]) {
        const own = { kind: "http", host: "127.0.0.1", port } as const;
        assert.equal(await mesh.apps.cartone.ask(own), "error: ECONNRESET", String(port));
      }
    });
  });

  suite("a sidecar that lets nothing unknown through", () => {
    test("reaches services, and others reach it", async () => {
      const seen = await mesh.apps.strict.see({ host: clusterIps.cart.v4, port: 80 });
      assert.equal(seen.caller, account("strict"));
      const called = await mesh.apps.frontend.see({ host: clusterIps.strict.v4, port: 80 });
      assert.deepEqual([called.name, called.caller], ["strict", account("frontend")]);
    });

    test("blocks what is no service, but for DNS and ports that are excluded", async () => {
      const { v4: host } = nodeAddress;
      const ask = (port: number): Promise<string> =>
        mesh.apps.strict.ask({ kind: "http", host, port });
      assert.equal(await ask(9000), "error: ECONNRESET");
      assert.match(await ask(9001), /"name":"node"/);
      assert.match(await ask(53), /"name":"node"/);
    });

    test("lets nobody in without mTLS", async () => {
      const host = mesh.pods.address("strict");
      for (const port of [8080, 9100]) {
        const said = await mesh.apps.plain.ask({ kind: "http", host, port });
        assert.equal(said, "error: ECONNRESET", String(port));
      }
    });
  });

  suite("what ends", () => {
    test("is left: connections find another workload when a sidecar is gone", async () => {
      await mesh.endSidecar("carttwo");
      for (let tries = 0; tries < 10; tries += 1) {
        const seen = await mesh.apps.frontend.see({ host: clusterIps.cart.v4, port: 80 });
        assert.equal(seen.name, "cartone");
        const { v4: host } = clusterIps.cache;
        const said = await mesh.apps.frontend.ask({ kind: "echo", host, port: 6379 });
        assert.equal(said, "cartone hello");
      }
    });

    test("leaves open connections alone: rules are replaced under them", async () => {
      const { frontend } = mesh.apps;
      const held = await frontend.hold({ host: clusterIps.cache.v4, port: 6379 });
      assert.equal(held, "cartone held");
      await capture(mesh, "frontend");
      assert.equal(await frontend.say(), "cartone again");
    });

    test("is closed: without its sidecar an application reaches nobody", async () => {
      const said = await mesh.apps.carttwo.ask({ kind: "http", host: nodeAddress.v4, port: 9000 });
      assert.equal(said, "error: ECONNREFUSED");
    });

    test("leaves nothing: capture remove takes the rules away, once and again", async () => {
      assert.equal((await mesh.run("carttwo", "capture", "show")).code, 0);
      for (const _ of [1, 2]) {
        const { code, err } = await mesh.run("carttwo", "capture", "remove");
        assert.equal(code, 0, err);
      }
      assert.equal((await mesh.run("carttwo", "capture", "show")).code, 1);
      assert.equal((await mesh.pods.exec("carttwo", ["nft", "list", "ruleset"])).out, "");
      const seen = await mesh.apps.carttwo.see({ host: nodeAddress.v4, port: 9000 });
      assert.deepEqual([seen.name, seen.from], ["node", ofPod("carttwo")]);
      const host = mesh.pods.address("carttwo");
      const called = await mesh.apps.plain.see({ host, port: 8080 });
      assert.equal(called.from, ofPod("plain"));
    });
  });

  const ofPod = (pod: PodName): string => `::ffff:${mesh.pods.address(pod)}`;
});

async function capture(mesh: CapturedMesh, pod: PodName, ...more: string[]): Promise<void> {
  const words = ["capture", "apply", "--exclude-gids", "1337", ...more];
  const { code, err } = await mesh.run(pod, ...words);
  assert.equal(code, 0, err);
}

async function writeServices(mesh: CapturedMesh): Promise<void> {
  const at = (pods: readonly PodName[], family: "v4" | "v6" = "v4") =>
    pods.map((name) => ({ name, address: mesh.pods.address(name, family) }));
  const http = { name: "http", port: 80, target: 8080 };
  const tcp = (port: number) => ({ name: "tcp", port, target: port });
  const cart = { serviceAccount: "cart", workloads: at(carts) };
  await mesh.writeService({ name: "cart", ips: clusterIps.cart, port: http, ...cart });
  await mesh.writeService({ name: "cache", ips: clusterIps.cache, port: tcp(6379), ...cart });
  await mesh.writeService({ name: "db", port: tcp(5432), ...cart });
  const six = { ...cart, workloads: at(carts, "v6") };
  await mesh.writeService({ name: "six", ips: clusterIps.six, port: http, ...six });
  const strict = { serviceAccount: "strict", workloads: at(["strict"]) };
  await mesh.writeService({ name: "strict", ips: clusterIps.strict, port: http, ...strict });
  const legacy = { serviceAccount: "legacy", workloads: at(["plain"]) };
  await mesh.writeService({ name: "legacy", ips: clusterIps.legacy, port: http, ...legacy });
}

async function startApps({ apps }: CapturedMesh): Promise<void> {
  const host = "::";
  for (const name of [...carts, "strict", "plain"] as const) {
    await apps[name].serve({ kind: "http", name, host, port: 8080 });
    await apps[name].serve({ kind: "echo", name, host, port: 6379 });
    await apps[name].serve({ kind: "greet", name, host, port: 5432 });
    await apps[name].serve({ kind: "http", name, host, port: 9100 });
  }
  for (const port of [53, 9000, 9001]) {
    await apps.node.serve({ kind: "http", name: "node", host, port });
  }
}
