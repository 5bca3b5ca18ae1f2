/** The embedded gateway against Envoy and HAProxy: SNI passthrough, one worker each, in one run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testTrust } from "../test/dataplane/support/certificates.ts";
import {
  buildGenerator,
  Generator,
  type Mode,
  recordHello,
  type Sample,
} from "./load/generator.ts";
import { snisOf } from "./load/names.ts";
import {
  freePort,
  type Peer,
  plainIdentity,
  startEmbedded,
  startEnvoy,
  startHaproxy,
} from "./load/peers.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ISTHMUS_BENCH_ROUNDS"] ?? 5);
const seconds = Number(process.env["ISTHMUS_BENCH_SECONDS"] ?? 1.5);
const routes = 2_000;
const idleConnections = 5_000;
const snis = snisOf(routes);
const sni = snis[routes / 2] ?? "";
const loads = { rr: 32, conn: 32, bulk: 8 } as const satisfies Record<Mode, number>;

function envoyConfig(port: number, backend: number): object {
  const typed = (type: string, fields: object = {}): object => ({
    "@type": `type.googleapis.com/envoy.extensions.filters.${type}`,
    ...fields,
  });
  return {
    staticResources: {
      listeners: [
        {
          name: "gateway",
          address: { socketAddress: { address: "127.0.0.1", portValue: port } },
          tcpBacklogSize: 4096,
          listenerFilters: [
            { name: "tls_inspector", typedConfig: typed("listener.tls_inspector.v3.TlsInspector") },
          ],
          filterChains: [
            {
              filterChainMatch: { serverNames: ["*.cluster.local"] },
              filters: [
                { name: "sni_cluster", typedConfig: typed("network.sni_cluster.v3.SniCluster") },
                {
                  name: "tcp_proxy",
                  typedConfig: typed("network.tcp_proxy.v3.TcpProxy", {
                    statPrefix: "g",
                    cluster: "none",
                    maxConnectAttempts: 3,
                  }),
                },
              ],
            },
          ],
        },
      ],
      clusters: snis.map((name) => ({
        name,
        type: "STATIC",
        connectTimeout: "0.5s",
        circuitBreakers: { thresholds: [{ maxConnections: 20_000, maxPendingRequests: 20_000 }] },
        loadAssignment: {
          clusterName: name,
          endpoints: [
            {
              lbEndpoints: [
                {
                  endpoint: {
                    address: { socketAddress: { address: "127.0.0.1", portValue: backend } },
                  },
                },
              ],
            },
          ],
        },
      })),
    },
  };
}

function haproxyConfig(port: number, backend: number): string {
  const backends = snis
    .map((name) => `backend ${name}\n  server a 127.0.0.1:${backend}`)
    .join("\n");
  return `global
  nbthread 1
  maxconn 9000
defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  maxconn 9000
frontend gateway
  bind 127.0.0.1:${port} backlog 4096
  tcp-request inspect-delay 2s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend %[req.ssl_sni,lower]
${backends}
`;
}

async function startPeers(
  peers: Peer[],
  { dir, backend }: { dir: string; backend: number },
): Promise<void> {
  const trust = await testTrust();
  const agent = plainIdentity(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"));
  const own = plainIdentity(await trust.identity("spiffe://east.acme.mesh/isthmus/gateway"));
  const embedded = async (name: string, workers: number): Promise<Peer> => {
    const port = await freePort();
    return startEmbedded({
      name,
      setup: { t: "gateway", port, backend, routes, workers, agent, own },
    });
  };
  peers.push(await embedded("embedded", 1));
  peers.push(await embedded("embedded x2", 2));
  const envoy = await freePort();
  peers.push(
    await startEnvoy({ dir, name: "envoy", port: envoy, config: envoyConfig(envoy, backend) }),
  );
  const haproxy = await freePort();
  peers.push(await startHaproxy({ dir, port: haproxy, config: haproxyConfig(haproxy, backend) }));
}

type Samples = Map<string, Map<Mode, Sample[]>>;

async function measure(
  generator: Generator,
  { peers, hello }: { peers: readonly Peer[]; hello: string },
): Promise<Samples> {
  const samples: Samples = new Map(peers.map(({ name }) => [name, new Map()]));
  for (let round = 0; round < rounds; round++) {
    for (const mode of ["rr", "conn", "bulk"] as const) {
      for (const { name, port, pids } of peers) {
        const sample = await generator.run(mode, {
          port,
          hello,
          connections: loads[mode],
          seconds,
          pids,
        });
        const list = samples.get(name)?.get(mode) ?? [];
        samples.get(name)?.set(mode, [...list, sample]);
        process.stderr.write(
          `${name} ${mode} ${Math.round(sample.perSecond)}/s ${Math.round(sample.megabytesPerSecond)} MB/s p99 ${sample.p99Us} us, ${sample.cpuUsPerItem.toFixed(1)} us CPU, ${sample.failures} failed\n`,
        );
      }
    }
  }
  return samples;
}

/** Round by round against the peer of the same round. */
function ratio(of: readonly number[], to: readonly number[]): number[] {
  return of.map((value, round) => value / (to[round] ?? Number.NaN));
}

function figures(samples: Samples, idle: ReadonlyMap<string, number[]>): Figure[] {
  const pick = (name: string, mode: Mode, key: keyof Sample): number[] =>
    (samples.get(name)?.get(mode) ?? []).map((sample) => sample[key]);
  const all = [...samples.keys()].flatMap((name): Figure[] => [
    {
      name: `${name}: keep-alive requests`,
      unit: "per second",
      samples: pick(name, "rr", "perSecond"),
    },
    { name: `${name}: keep-alive p99`, unit: "us", samples: pick(name, "rr", "p99Us") },
    { name: `${name}: CPU per request`, unit: "us", samples: pick(name, "rr", "cpuUsPerItem") },
    {
      name: `${name}: new connections`,
      unit: "per second",
      samples: pick(name, "conn", "perSecond"),
    },
    {
      name: `${name}: CPU per connection`,
      unit: "us",
      samples: pick(name, "conn", "cpuUsPerItem"),
    },
    {
      name: `${name}: bulk`,
      unit: "MB per second",
      samples: pick(name, "bulk", "megabytesPerSecond"),
    },
    { name: `${name}: memory per idle connection`, unit: "kB", samples: idle.get(name) ?? [] },
  ]);
  const against = (peer: string, mode: Mode, key: keyof Sample): number[] =>
    ratio(pick("embedded", mode, key), pick(peer, mode, key));
  return [
    ...all,
    {
      name: "keep-alive requests, embedded / envoy",
      unit: "ratio",
      samples: against("envoy", "rr", "perSecond"),
      target: { atLeast: 0.85 },
    },
    {
      name: "keep-alive requests, embedded / haproxy",
      unit: "ratio",
      samples: against("haproxy", "rr", "perSecond"),
      target: { atLeast: 0.65 },
    },
    {
      name: "new connections, embedded / envoy",
      unit: "ratio",
      samples: against("envoy", "conn", "perSecond"),
      target: { atLeast: 1 },
    },
    {
      name: "bulk, embedded / envoy",
      unit: "ratio",
      samples: against("envoy", "bulk", "megabytesPerSecond"),
      target: { atLeast: 1.3 },
    },
    {
      name: "memory per idle connection, embedded",
      unit: "kB",
      samples: idle.get("embedded") ?? [],
      target: { atMost: 8 },
    },
    {
      name: "CPU per request, two workers / one",
      unit: "ratio",
      samples: ratio(
        pick("embedded x2", "rr", "cpuUsPerItem"),
        pick("embedded", "rr", "cpuUsPerItem"),
      ),
      target: { atMost: 1.15 },
    },
  ];
}

const dir = mkdtempSync(join(tmpdir(), "isthmus-gateway-"));
const generator = new Generator(buildGenerator(dir));
const peers: Peer[] = [];
try {
  const hello = await recordHello(join(dir, "hello"), sni);
  await startPeers(peers, { dir, backend: await generator.serve({ skipsHello: true }) });
  // First, in fresh processes: what earlier load left on the heap would blur it.
  const idle = new Map<string, number[]>();
  for (const { name, port, pids } of peers.filter(({ name }) => name !== "embedded x2")) {
    idle.set(name, [
      await generator.idleKilobytes({ port, hello, connections: idleConnections, pids }),
    ]);
  }
  const samples = await measure(generator, { peers, hello });
  report({
    claim:
      "The embedded gateway forwards TLS by SNI about as fast as Envoy, with a fraction of its memory per connection",
    setup: {
      routes,
      rounds,
      seconds,
      connections: loads.rr,
      bulkConnections: loads.bulk,
      idleConnections,
      failures: failuresOf(samples),
    },
    figures: figures(samples, idle),
  });
} finally {
  for (const peer of peers) peer.close();
  generator.close();
  rmSync(dir, { recursive: true, force: true });
}

function failuresOf(samples: Samples): number {
  const counts = [...samples.values()].flatMap((modes) =>
    [...modes.values()].flat().map(({ failures }) => failures),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
