import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { LoadAnswer, ServiceAnswer } from "../../../../src/app/api-model.ts";
import { makeWorkload } from "../../../../src/app/trust-tasks.ts";
import type { HostPort } from "../../../../src/mesh/address.ts";
import { skipWithoutEnvoy } from "../../../gateway/real-envoy.ts";
import { askUntil, until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { startMember, TestMesh } from "../../support/test-mesh.ts";

const options = { skip: skipWithoutEnvoy };

// With `load_stats_config` an Envoy refuses every cluster that has per-endpoint statistics, as those of
// our agent do (docs/decisions/proxies-know-better.md): this one gets its cluster from its bootstrap.
test("a real Envoy reports its requests to the agent over mTLS", options, async () => {
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
