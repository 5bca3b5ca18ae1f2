import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, createServer, get, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { adminAt } from "../../../../../src/app/launcher/envoy/admin.ts";
import { bootstrapFor } from "../../../../../src/app/launcher/envoy/bootstrap.ts";
import { EnvoyProcess } from "../../../../../src/app/launcher/envoy/envoy-process.ts";
import { envoyLoadSource } from "../../../../../src/app/launcher/envoy/load/envoy-load-source.ts";
import type { LoadSource } from "../../../../../src/dataplane/io/load-session.ts";
import type { TakenLoad } from "../../../../../src/dataplane/load.ts";
import { parseMemberName, parseSpiffeId } from "../../../../../src/mesh/ids.ts";
import { skipWithoutEnvoy } from "../../../../gateway/real-envoy.ts";
import { freePorts } from "../../../support/free-port.ts";
import { silentLog } from "../../../support/test-mesh.ts";
import { type Sums, sumsOf } from "./envoy-words.ts";

const own = "east/a";
const west = "west/gateway";

describe("what a real Envoy counts", { skip: skipWithoutEnvoy }, () => {
  let folder = "";
  let app: Server;
  let ports: readonly number[] = [];
  let envoy: EnvoyProcess;
  let source: LoadSource;
  const sockets = new Set<Socket>();
  const agent = new Agent({ keepAlive: true });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "isthmus-envoy-load-"));
    app = createServer((request, response) => {
      if (request.url === "/reset") return void request.socket.resetAndDestroy();
      response.statusCode = request.url === "/fail" ? 503 : 200;
      response.end("hello");
    });
    app.listen(0, "0.0.0.0");
    await once(app, "listening");
    const [dead = 0, ...listens] = await freePorts(1 + Object.keys(clusters).length);
    ports = listens;
    const bound = app.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    await mkdir(join(folder, "envoy"));
    const config = bootstrap({ app: port, dead, ports });
    await writeFile(join(folder, "envoy/bootstrap.json"), JSON.stringify(config));
    const admin = adminAt(join(folder, "envoy/admin.sock"));
    source = envoyLoadSource({ admin, ownZone: own, log: silentLog });
    await start();
    await source.begin();
  });

  after(async () => {
    agent.destroy();
    for (const socket of sockets) socket.destroy();
    app.closeAllConnections();
    app.close();
    envoy.kill("SIGKILL");
    await envoy.ended;
    await rm(folder, { recursive: true });
  });

  async function start(): Promise<void> {
    envoy = new EnvoyProcess({
      binary: process.env["ISTHMUS_ENVOY"] ?? "",
      folder,
      workers: 1,
      drainSeconds: 1,
      logLevel: "silent",
      onLine: () => undefined,
      log: silentLog,
    });
    const admin = adminAt(join(folder, "envoy/admin.sock"));
    for (let asked = 0; asked < 1000; asked += 1) {
      const isReady = await admin.get("/ready").then(
        ({ status }) => status === 200,
        () => false,
      );
      if (isReady) return;
      await wait(20);
    }
    assert.fail("Envoy never became ready");
  }

  const portOf = (cluster: Cluster): number => ports[clusterNames.indexOf(cluster)] ?? 0;

  /** Sums of all that was told of a cluster until they are as wanted. */
  async function until(
    cluster: Cluster,
    isWanted: (sums: Readonly<Record<string, Sums>>) => boolean,
  ): Promise<readonly TakenLoad[]> {
    const all: TakenLoad[] = [];
    for (let asked = 0; asked < 200; asked += 1) {
      const taken = await source.take();
      all.push(...taken.filter(({ envoyCluster }) => envoyCluster === nameOf(cluster)));
      if (isWanted(sumsOf(all))) return all;
      await wait(20);
    }
    return assert.fail(`never told as wanted: ${JSON.stringify(sumsOf(all))}`);
  }

  function ask(cluster: Cluster, path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = get({ port: portOf(cluster), path, agent }, (answer) => {
        answer.resume().on("end", () => resolve(answer.statusCode ?? 0));
      });
      request.on("error", reject);
    });
  }

  async function open(cluster: Cluster): Promise<Socket> {
    const socket = connect(portOf(cluster), "127.0.0.1");
    sockets.add(socket.on("error", () => undefined));
    await once(socket, "connect");
    return socket;
  }

  async function say(socket: Socket): Promise<void> {
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(socket, "data");
  }

  test("requests and answers with their latency, errors of the application apart", async () => {
    for (const path of ["/", "/", "/", "/fail"]) await ask("http", path);
    const told = await until("http", ({ [own]: sum }) => sum?.ok === 3 && sum.firstByte === 4);
    const { bytesIn = 0, bytesOut = 0, ...sum } = sumsOf(told)[own] ?? {};
    assert.deepEqual(sum, { issued: 4, ok: 3, status: 1, connect: 1, firstByte: 4, active: 0 });
    assert.ok(bytesIn > 4 * "hello".length && bytesOut > 0);
  });

  test("a request that its application breaks off", async () => {
    await ask("http", "/reset");
    const told = await until("http", ({ [own]: sum }) => sum?.reset === 1);
    assert.equal(sumsOf(told)[own]?.status, undefined);
  });

  test("requests to nobody, each told once", async () => {
    assert.equal(await ask("dead", "/"), 503);
    const told = await until("dead", ({ [west]: sum }) => sum !== undefined);
    assert.deepEqual(sumsOf(told), { [west]: { issued: 1, refused: 1, active: 0 } });
  });

  test("a service that has no endpoint", async () => {
    assert.equal(await ask("empty", "/"), 503);
    const told = await until("empty", ({ none }) => none !== undefined);
    assert.deepEqual(sumsOf(told), { none: { "no-host": 1, active: 0 } });
  });

  test("connections without HTTP to one member, whose bytes prove that it sends", async () => {
    await say(await open("tcp"));
    const told = await until(
      "tcp",
      ({ [west]: sum }) => sum?.connect === 1 && (sum.bytesIn ?? 0) > 0,
    );
    const { bytesIn: _in, bytesOut: _out, ...sum } = sumsOf(told)[west] ?? {};
    assert.deepEqual(sum, { issued: 1, connect: 1, active: 1 });
    assert.ok(told.every(({ isShare }) => isShare !== true));
  });

  test("connections without HTTP to two members, each where it went", async () => {
    for (let count = 0; count < 4; count += 1) await say(await open("both"));
    const told = await until(
      "both",
      (sums) => sums[own]?.connect === 2 && sums[west]?.connect === 2,
    );
    const sums = sumsOf(told);
    assert.deepEqual([sums[own]?.issued, sums[west]?.issued], [2, 2]);
    assert.deepEqual([sums[own]?.active, sums[west]?.active], [2, 2]);
    assert.ok(told.some(({ row, isShare }) => isShare === true && row.some((count) => count > 0)));
  });

  test("the end of a connection, after a new listener was told that it is open", async () => {
    const socket = await open("tcp");
    await say(socket);
    await source.begin();
    const told = await until("tcp", ({ [west]: sum }) => (sum?.active ?? 0) > 0);
    const active = sumsOf(told)[west]?.active ?? 0;
    assert.equal(sumsOf(told)[west]?.issued, undefined);
    socket.destroy();
    await until("tcp", ({ [west]: sum }) => sum?.active === active - 1);
  });

  test("a new start, from which on it counts anew", async () => {
    envoy.kill("SIGKILL");
    await envoy.ended;
    assert.deepEqual(await source.take(), []);
    await start();
    await ask("http", "/");
    const told = await until("http", ({ [own]: sum }) => sum?.connect === 1);
    assert.deepEqual([sumsOf(told)[own]?.issued, sumsOf(told)[own]?.ok], [1, 1]);
  });
});

/** Where each goes, and what it speaks. */
const clusters = {
  http: { speaks: "http", places: { [own]: "app" } },
  dead: { speaks: "http", places: { [west]: "dead" } },
  empty: { speaks: "http", places: {} },
  tcp: { speaks: "tcp", places: { [west]: "app" } },
  both: { speaks: "tcp", places: { [own]: "app", [west]: "app" } },
} as const;
type Cluster = keyof typeof clusters;
const clusterNames = Object.keys(clusters) as Cluster[];

function nameOf(cluster: Cluster): string {
  return `outbound|80||${cluster}.shop.svc.cluster.local`;
}

interface Ports {
  readonly app: number;
  readonly dead: number;
  /** One for each cluster. */
  readonly ports: readonly number[];
}

/** As the launcher's, but for the clusters and listeners that an agent would tell. */
function bootstrap(at: Ports): object {
  const { ports } = at;
  return {
    ...bootstrapFor({
      node: { id: "one", kind: "test", metadata: {} },
      member: parseMemberName("east"),
      zone: "a",
      agents: [],
      agentId: parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent"),
    }),
    dynamicResources: undefined,
    staticResources: {
      clusters: clusterNames.map((name) => clusterOf(name, at)),
      listeners: clusterNames.map((name, index) => listenerOf(name, ports[index] ?? 0)),
    },
  };
}

function clusterOf(cluster: Cluster, at: Ports): object {
  const name = nameOf(cluster);
  const places = Object.entries(clusters[cluster].places) as [string, "app" | "dead"][];
  const endpoints = places.map(([zone, to], index) => {
    // One address may stand in one place only.
    const address = { address: `127.0.0.${index + 1}`, portValue: at[to] };
    const host = { endpoint: { address: { socketAddress: address } } };
    return { locality: { region: "r", zone }, lbEndpoints: [host] };
  });
  return { name, connectTimeout: "1s", loadAssignment: { clusterName: name, endpoints } };
}

const types = "type.googleapis.com/envoy.extensions.filters";

function listenerOf(cluster: Cluster, port: number): object {
  const filter = clusters[cluster].speaks === "http" ? httpFilter : tcpFilter;
  const typedConfig = filter(nameOf(cluster));
  return {
    name: cluster,
    address: { socketAddress: { address: "127.0.0.1", portValue: port } },
    filterChains: [{ filters: [{ name: "only", typedConfig }] }],
  };
}

function tcpFilter(cluster: string): object {
  return { "@type": `${types}.network.tcp_proxy.v3.TcpProxy`, statPrefix: "t", cluster };
}

function httpFilter(cluster: string): object {
  const routes = [{ match: { prefix: "/" }, route: { cluster } }];
  return {
    "@type": `${types}.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix: "h",
    routeConfig: { virtualHosts: [{ name: "all", domains: ["*"], routes }] },
    httpFilters: [{ name: "r", typedConfig: { "@type": `${types}.http.router.v3.Router` } }],
  };
}
