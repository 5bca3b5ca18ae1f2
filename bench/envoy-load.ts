/** What it costs each second to learn from an Envoy with 1,000 clusters what it did: of Envoy, and of its launcher. */
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { adminAt } from "../src/app/launcher/envoy/admin.ts";
import { bootstrapFor } from "../src/app/launcher/envoy/bootstrap.ts";
import { EnvoyProcess } from "../src/app/launcher/envoy/envoy-process.ts";
import { type FoundEnvoy, findEnvoy } from "../src/app/launcher/envoy/find-envoy.ts";
import { envoyLoadSource } from "../src/app/launcher/envoy/load/envoy-load-source.ts";
import { parseMemberName, parseSpiffeId } from "../src/mesh/ids.ts";
import { createLog } from "../src/telemetry/io/log.ts";
import { type Figure, report } from "./report.ts";

const clusters = 1000;
const endpointsPerCluster = 5;
const busy = 50;
const rounds = 30;
const log = createLog({ level: "silent", fields: {} });

const found: FoundEnvoy = await findEnvoy(process.env);
const folder = await mkdtemp(join(tmpdir(), "isthmus-envoy-load-"));
const app = createServer((_request, response) => response.end("hello"));
app.listen(0, "127.0.0.1");
await once(app, "listening");
await mkdir(join(folder, "envoy"));
await writeFile(join(folder, "envoy/bootstrap.json"), JSON.stringify(bootstrap(portOf(app))));
const envoy = new EnvoyProcess({
  binary: found.path,
  folder,
  workers: 1,
  drainSeconds: 1,
  logLevel: "silent",
  onLine: () => undefined,
  log,
});
const admin = adminAt(join(folder, "envoy/admin.sock"));
const ask = (path: string): Promise<boolean> =>
  admin.get(path).then(
    ({ status }) => status === 200,
    () => false,
  );
while (!(await ask("/ready"))) await wait(50);
const { listener_statuses: listeners } = JSON.parse(
  (await admin.get("/listeners?format=json")).body,
) as {
  readonly listener_statuses: readonly {
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
};
const port = listeners[0]?.local_address.socket_address.port_value ?? 0;

const source = envoyLoadSource({ admin, ownZone: "east/a", log });
await source.begin();
const figures: readonly Figure[] = [
  ...(await costOf("nothing happened", { envoyMs: 10, launcherMs: 5 }, async () => undefined)),
  ...(await costOf(`${busy} clusters had requests`, { envoyMs: 30, launcherMs: 15 }, () =>
    request(busy),
  )),
  // Each was used once by now: its counters are read each second from then on.
  ...(await costOf(
    `${busy} of them had, after all were used`,
    { envoyMs: 100, launcherMs: 30 },
    async (round) => {
      if (round === 0) await request(clusters);
      await request(busy);
    },
  )),
];
report({
  claim:
    "Reading what an Envoy with 1,000 clusters did costs it 2 % of a core, and its launcher 1 %",
  setup: { clusters, endpointsPerCluster, busy, rounds },
  figures,
});
envoy.kill("SIGKILL");
await envoy.ended;
app.closeAllConnections();
app.close();
await rm(folder, { recursive: true });

/** CPU of one reading, as one a second: 10 ms is 1 % of a core. */
async function costOf(
  title: string,
  atMost: { readonly envoyMs: number; readonly launcherMs: number },
  before: (round: number) => Promise<void>,
): Promise<readonly Figure[]> {
  const byEnvoy: number[] = [];
  const byLauncher: number[] = [];
  for (let round = -3; round < rounds; round += 1) {
    await before(round + 3);
    await wait(50);
    const envoyMs = await cpuMs(envoy.pid ?? 0);
    const launcher = process.cpuUsage();
    await source.take();
    const { user, system } = process.cpuUsage(launcher);
    // The first ones warm the compiler.
    if (round < 0) continue;
    byEnvoy.push((await cpuMs(envoy.pid ?? 0)) - envoyMs);
    byLauncher.push((user + system) / 1000);
  }
  return [
    {
      name: `Envoy's CPU, ${title}`,
      unit: "ms",
      samples: byEnvoy,
      target: { atMost: atMost.envoyMs },
    },
    {
      name: `launcher's CPU, ${title}`,
      unit: "ms",
      samples: byLauncher,
      target: { atMost: atMost.launcherMs },
    },
  ];
}

/** Of all threads since the start; to the nanosecond, where `stat` counts in steps of 10 ms. */
async function cpuMs(pid: number): Promise<number> {
  const tasks = `/proc/${pid}/task`;
  const stats = await Promise.all(
    (await readdir(tasks)).map((task) => readFile(join(tasks, task, "schedstat"), "utf8")),
  );
  return stats.reduce((sum, text) => sum + Number(text.split(" ")[0]), 0) / 1e6;
}

async function request(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await new Promise((resolve, reject) => {
      get({ port, path: `/${index}/`, agent: false }, (answer) =>
        answer.resume().on("end", resolve),
      ).on("error", reject);
    });
  }
}

function portOf(server: ReturnType<typeof createServer>): number {
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : 0;
}

/** As a launcher's, but for what an agent would tell: every cluster with hosts in two members. */
function bootstrap(appPort: number): object {
  const names = Array.from({ length: clusters }, (_, index) => index);
  return {
    ...bootstrapFor({
      node: { id: "bench", kind: "bench", metadata: {} },
      member: parseMemberName("east"),
      zone: "a",
      agents: [],
      agentId: parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent"),
    }),
    dynamicResources: undefined,
    staticResources: {
      listeners: [listener(names)],
      clusters: names.map((index) => cluster(index, appPort)),
    },
  };
}

function nameOf(index: number): string {
  return `outbound|80||s${index}.shop.svc.cluster.local`;
}

function cluster(index: number, appPort: number): object {
  const name = nameOf(index);
  const host = (last: number): object => ({
    endpoint: { address: { socketAddress: { address: `127.0.0.${last}`, portValue: appPort } } },
  });
  const spare = Array.from({ length: endpointsPerCluster - 1 }, (_, last) => host(last + 2));
  const endpoints = [
    { locality: { zone: "east/a" }, priority: 0, lbEndpoints: [host(1)] },
    { locality: { zone: "west/gateway" }, priority: 1, lbEndpoints: spare },
  ];
  return { name, connectTimeout: "1s", loadAssignment: { clusterName: name, endpoints } };
}

function listener(names: readonly number[]): object {
  const types = "type.googleapis.com/envoy.extensions.filters";
  const routes = names.map((index) => ({
    match: { prefix: `/${index}/` },
    route: { cluster: nameOf(index) },
  }));
  const typedConfig = {
    "@type": `${types}.network.http_connection_manager.v3.HttpConnectionManager`,
    statPrefix: "h",
    routeConfig: { virtualHosts: [{ name: "all", domains: ["*"], routes }] },
    httpFilters: [{ name: "r", typedConfig: { "@type": `${types}.http.router.v3.Router` } }],
  };
  return {
    name: "all",
    address: { socketAddress: { address: "127.0.0.1", portValue: 0 } },
    filterChains: [{ filters: [{ name: "http", typedConfig }] }],
  };
}
