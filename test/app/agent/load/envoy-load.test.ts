import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { LoadAnswer, LoadRowAnswer, ServiceAnswer } from "../../../../src/app/api-model.ts";
import { makeWorkload } from "../../../../src/app/trust-tasks.ts";
import type { HostPort } from "../../../../src/mesh/address.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import { skipWithoutEnvoy } from "../../../gateway/real-envoy.ts";
import { askUntil, until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { startApp, writeService } from "../../support/shop.ts";
import { local, startMember, TestMesh } from "../../support/test-mesh.ts";

const options = { skip: skipWithoutEnvoy };

test(
  "a sidecar run by Envoy shows requests and connections to its own and another member",
  options,
  async () => {
    await using mesh = await TestMesh.open();
    await mesh.issue("east", "us-east-1");
    await mesh.issue("west", "us-west-1");
    const west = await startMember(mesh, "west", "us-west-1");
    await writeService(mesh.servicesDir("west"), {
      name: "mail",
      isExported: true,
      portName: "tcp",
      serviceAccount: "cart",
      workloads: [{ name: "mail-west", port: west.cart.port }],
    });
    const [gateway = 0, appPort = 0, inbound = 0, ...listens] = await freePorts(7);
    const app = await startApp("east", appPort);
    mesh.defer(app.kill);
    for (const [name, portName] of [
      ["news", "http"],
      ["chat", "tcp"],
    ] as const) {
      await writeService(mesh.servicesDir("east"), {
        name,
        portName,
        isExported: false,
        serviceAccount: "app",
        workloads: [{ name: `${name}-east`, port: appPort }],
      });
    }
    const agent = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", gateway));
    await Promise.all([agent.whenWarm, west.agent.whenWarm, west.cartSidecar.whenReady]);
    const appSidecar = await mesh.startSidecar("east", {
      agent: agent.xds,
      workload: "app-east",
      serviceAccount: "app",
      inbound: [{ endpoint: local(appPort), listen: local(inbound), app: local(appPort) }],
    });
    await appSidecar.whenReady;
    const services = ["cart", "mail", "news", "chat"];
    await until<{ services: ServiceAnswer[] }>(`${agent.httpUrl}/api/v1/services`, (answer) =>
      services.every((name) =>
        answer.services.some(
          ({ service, remotes }) =>
            service === `shop/${name}` && remotes.every(({ healthy }) => healthy === 1),
        ),
      ),
    );
    const sidecar = await mesh.startSidecar("east", {
      engine: "envoy",
      agent: agent.xds,
      workload: "frontend-1",
      serviceAccount: "frontend",
      upstreams: services.map((name, index) => ({
        service: parseServiceId(`shop/${name}`),
        port: 80,
        listen: { host: "127.0.0.1", port: listens[index] ?? 0 },
      })),
    });
    await sidecar.whenReady;
    const [cartPort, mailPort = 0, newsPort, chatPort = 0] = listens;
    const rowsOf = (answer: LoadAnswer): Map<string, LoadRowAnswer> =>
      new Map(answer.rows.map((row) => [`${row.service} ${row.member}/${row.zone}`, row]));
    const load = `${agent.httpUrl}/api/v1/load?seconds=60`;
    // What a sidecar does before the agent listens is not told.
    await until<LoadAnswer>(load, (answer) => {
      for (const port of [cartPort, newsPort]) void fetch(`http://127.0.0.1:${port}/`);
      const rows = [...rowsOf(answer).values()];
      return rows.length === 2 && rows.every(({ begunPerSecond }) => begunPerSecond > 0);
    });
    using sockets = new DisposableStack();
    for (const port of [mailPort, chatPort]) {
      const socket = sockets.adopt(connect(port, "127.0.0.1"), (open) => open.destroy());
      socket.on("error", () => undefined).write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      await once(socket, "data");
    }
    const rows = rowsOf(
      await until<LoadAnswer>(load, (answer) => {
        const all = [...rowsOf(answer).values()];
        return all.length === 4 && all.every((row) => row.receivedBytesPerSecond > 0);
      }),
    );
    assert.deepEqual(
      [...rows].map(([name, { firstByte, successRatio, errors }]) => {
        return [name, firstByte !== undefined, successRatio, errors];
      }),
      [
        ["shop/cart west/gateway", true, 1, {}],
        ["shop/chat east/a", false, 1, {}],
        ["shop/mail west/gateway", false, 1, {}],
        ["shop/news east/a", true, 1, {}],
      ],
    );
    for (const name of ["shop/chat east/a", "shop/mail west/gateway"]) {
      assert.equal(rows.get(name)?.active, 1);
      assert.notEqual(rows.get(name)?.connect, undefined);
    }

    sockets.dispose();
    await appSidecar.stop({ deadlineMs: 0 });
    const failed = rowsOf(
      await until<LoadAnswer>(load, (answer) => {
        void fetch(`http://127.0.0.1:${newsPort}/`).catch(() => undefined);
        connect(chatPort, "127.0.0.1")
          .on("error", () => undefined)
          .unref();
        const row = (name: string): LoadRowAnswer | undefined => rowsOf(answer).get(name);
        const hasFailed = ["shop/news east/a", "shop/chat east/a"].every(
          (name) => (row(name)?.errors["refused"] ?? 0) > 0,
        );
        return hasFailed && row("shop/mail west/gateway")?.active === 0;
      }),
    );
    assert.ok((failed.get("shop/news east/a")?.successRatio ?? 1) < 1);
  },
);

// An Envoy that nobody of ours started may report by its own LRS; it gets its cluster from its bootstrap.
test("an Envoy's own load reports over mTLS are taken, too", options, async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const west = await startMember(mesh, "west", "us-west-1");
  await mkdir(mesh.servicesDir("east"), { recursive: true });
  const [gateway = 0, listen = 0] = await freePorts(2);
  const agent = await mesh.startAgent(mesh.agentConfig("east", "us-east-1", gateway));
  await Promise.all([agent.whenWarm, west.agent.whenWarm, west.cartSidecar.whenReady]);
  await until<{ services: ServiceAnswer[] }>(`${agent.httpUrl}/api/v1/services`, ({ services }) =>
    services.some(({ remotes }) => remotes.length === 1),
  );
  await startEnvoySidecar(mesh, { agent: agent.xds, listen, app: west.cart.port });

  const url = `http://127.0.0.1:${listen}/`;
  await askUntil(url, "cart of west", { allowed: ["failed"], mayFail: true });
  const load = `${agent.httpUrl}/api/v1/load?service=shop/cart&seconds=60`;
  const answer = await until<LoadAnswer>(load, ({ rows }) => {
    void fetch(url).catch(() => undefined);
    return rows.some(({ member, begunPerSecond }) => member === "west" && begunPerSecond > 0);
  });
  assert.equal(answer.rows.length, 1);
  const [row] = answer.rows;
  assert.deepEqual([row?.member, row?.zone, row?.by], ["west", "gateway", "sidecar"]);
  assert.equal(row?.successRatio, 1);
  // LRS has neither.
  assert.equal(row?.connect, undefined);
  assert.equal(row?.receivedBytesPerSecond, 0);

  await west.cart.kill();
  const failing = await until<LoadAnswer>(load, ({ rows }) => {
    void fetch(url).catch(() => undefined);
    return rows.some(({ errors }) => (errors["status"] ?? 0) > 0);
  });
  assert.ok((failing.rows[0]?.successRatio ?? 1) < 1);
});

/** The Envoy of a caller in east, as a launcher would start it. */
async function startEnvoySidecar(
  mesh: TestMesh,
  at: { readonly agent: HostPort; readonly listen: number; readonly app: number },
): Promise<void> {
  const folder = join(mesh.dir, "east", "envoy");
  const identity = join(folder, "identity");
  await makeWorkload({
    account: "shop/frontend",
    dir: join(mesh.dir, "east", "trust"),
    out: identity,
  });
  const certificate = {
    certificateChain: { filename: "identity/svid.pem" },
    privateKey: { filename: "identity/svid.key" },
  };
  const secret = {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    name: "identity",
    tlsCertificate: certificate,
  };
  await writeFile(join(identity, "sds.json"), JSON.stringify({ resources: [secret] }));
  const config = bootstrap({ ...at, certificate });
  await writeFile(join(folder, "bootstrap.json"), JSON.stringify(config));
  const flags = ["-c", "bootstrap.json", "--concurrency", "1", "--disable-hot-restart"];
  const quiet = ["--log-level", "warn", "--log-path", "log"];
  const binary = process.env["ISTHMUS_ENVOY"] ?? "";
  const child: ChildProcess = spawn(binary, [...flags, ...quiet], { cwd: folder, stdio: "ignore" });
  mesh.defer(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  child.once("exit", (code) => {
    if (code === null) return;
    void readFile(join(folder, "log"), "utf8").then((text) => process.stderr.write(text));
  });
}

function bootstrap(at: {
  readonly agent: HostPort;
  readonly listen: number;
  readonly app: number;
  readonly certificate: object;
}): object {
  const toAgent = {
    transportApiVersion: "V3",
    grpcServices: [{ envoyGrpc: { clusterName: "xds" } }],
  };
  const listen = `127.0.0.1:${at.listen}`;
  return {
    node: {
      id: "sidecar/shop/frontend-1/envoy",
      cluster: "east",
      metadata: {
        role: "sidecar",
        engine: "envoy",
        namespace: "shop",
        workload: "frontend-1",
        serviceAccount: "frontend",
        capture: "ports",
        upstreams: [{ service: "shop/cart", port: 80, listen }],
        inbound: [],
      },
    },
    clusterManager: { loadStatsConfig: { apiType: "GRPC", ...toAgent } },
    staticResources: {
      listeners: [httpListener(at.listen)],
      clusters: [agentCluster(at), cartCluster(at.app)],
    },
  };
}

const cart = "outbound|80||cart.shop.svc.cluster.local";

/** As the agent would tell it: west behind its gateways. */
function cartCluster(port: number): object {
  const address = { socketAddress: { address: "127.0.0.1", portValue: port } };
  const locality = { region: "us-west-1", zone: "west/gateway" };
  const endpoints = [{ locality, lbEndpoints: [{ endpoint: { address } }] }];
  return {
    name: cart,
    connectTimeout: "1s",
    loadAssignment: { clusterName: cart, endpoints },
  };
}

function httpListener(port: number): object {
  const types = "type.googleapis.com/envoy.extensions.filters";
  const routes = [{ match: { prefix: "/" }, route: { cluster: cart } }];
  const manager = {
    "@type": `${types}.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix: "cart",
    routeConfig: { virtualHosts: [{ name: "cart", domains: ["*"], routes }] },
    httpFilters: [{ name: "router", typedConfig: { "@type": `${types}.http.router.v3.Router` } }],
  };
  return {
    name: "cart",
    address: { socketAddress: { address: "127.0.0.1", portValue: port } },
    filterChains: [{ filters: [{ name: "http", typedConfig: manager }] }],
  };
}

function agentCluster(at: { readonly agent: HostPort; readonly certificate: object }): object {
  const socketAddress = { address: at.agent.host, portValue: at.agent.port };
  const agentName = {
    sanType: "URI",
    matcher: { exact: "spiffe://east.acme.mesh/isthmus/agent" },
  };
  return {
    name: "xds",
    connectTimeout: "1s",
    loadAssignment: {
      clusterName: "xds",
      endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress } } }] }],
    },
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicitHttpConfig: { http2ProtocolOptions: {} },
      },
    },
    transportSocket: {
      name: "tls",
      typedConfig: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        commonTlsContext: {
          // The agent speaks nothing older, and an Envoy as a client nothing newer unless told so.
          tlsParams: { tlsMinimumProtocolVersion: "TLSv1_3", tlsMaximumProtocolVersion: "TLSv1_3" },
          alpnProtocols: ["h2"],
          tlsCertificates: [at.certificate],
          validationContext: {
            trustedCa: { filename: "identity/bundle.pem" },
            matchTypedSubjectAltNames: [agentName],
          },
        },
      },
    },
  };
}
