/** The embedded sidecar against Envoy: mTLS in, plain bytes out, one worker each, in one run. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Identity } from "../src/mesh/ports.ts";
import { testTrust } from "../test/dataplane/support/certificates.ts";
import { buildGenerator, Generator, type Mode, type Sample } from "./load/generator.ts";
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
const loads = { rr: 32, conn: 32, bulk: 8 } as const satisfies Record<Mode, number>;

/** Envoy's inbound side as the agent would configure it, with the certificates inline. */
function envoyConfig(
  port: number,
  { backend, identity }: { readonly backend: number; readonly identity: Identity },
): object {
  const address = (portValue: number): object => ({
    socketAddress: { address: "127.0.0.1", portValue },
  });
  const extension = (name: string, type: string, fields: object): object => ({
    name,
    typedConfig: { "@type": `type.googleapis.com/envoy.extensions.${type}`, ...fields },
  });
  const callers = {
    permissions: [{ any: true }],
    principals: [{ authenticated: { principalName: { prefix: "spiffe://east.acme.mesh/ns/" } } }],
  };
  const tls = {
    requireClientCertificate: true,
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: "TLSv1_3",
        ecdhCurves: ["X25519MLKEM768", "X25519", "P-256"],
      },
      tlsCertificates: [
        {
          certificateChain: { inlineString: identity.certChainPem },
          privateKey: { inlineString: identity.privateKeyPem.reveal() },
        },
      ],
      validationContext: { trustedCa: { inlineString: identity.bundlePem } },
    },
  };
  return {
    staticResources: {
      listeners: [
        {
          name: "inbound",
          address: address(port),
          filterChains: [
            {
              transportSocket: extension(
                "tls",
                "transport_sockets.tls.v3.DownstreamTlsContext",
                tls,
              ),
              filters: [
                extension("rbac", "filters.network.rbac.v3.RBAC", {
                  statPrefix: "r",
                  rules: { policies: { callers } },
                }),
                extension("tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", {
                  statPrefix: "t",
                  cluster: "app",
                }),
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: "app",
          type: "STATIC",
          loadAssignment: {
            clusterName: "app",
            endpoints: [{ lbEndpoints: [{ endpoint: { address: address(backend) } }] }],
          },
        },
      ],
    },
  };
}

/** Turns the generator's plain bytes into mTLS, one worker for each sidecar, so that no cost of it is the sidecar's. */
function callerConfig(
  ports: readonly { readonly listen: number; readonly to: number }[],
  pemFile: string,
): string {
  const pairs = ports.map(
    ({ listen, to }) => `listen to-${to}
  bind 127.0.0.1:${listen} backlog 4096
  server a 127.0.0.1:${to} ssl crt ${pemFile} verify none sni str(outbound_.80_._.cart.shop.svc.cluster.local) no-ssl-reuse`,
  );
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
${pairs.join("\n")}
`;
}

interface Subject extends Peer {
  /** Where the generator connects. */
  readonly front: number;
}

async function startAll(
  started: Peer[],
  { dir, backend }: { readonly dir: string; readonly backend: number },
): Promise<Subject[]> {
  const trust = await testTrust();
  const caller = await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/web");
  const identity = await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/cart");
  const [one, two] = [await freePort(), await freePort()];
  const agent = plainIdentity(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"));
  const own = plainIdentity(identity);
  const embedded = await startEmbedded({
    name: "embedded",
    setup: { t: "sidecar", port: one, backend, agent, own },
  });
  started.push(embedded);
  const envoy = await startEnvoy({
    dir,
    name: "envoy",
    port: two,
    config: envoyConfig(two, { backend, identity }),
  });
  started.push(envoy);
  const pemFile = join(dir, "caller.pem");
  writeFileSync(pemFile, caller.certChainPem + caller.privateKeyPem.reveal(), { mode: 0o600 });
  const [frontOne, frontTwo] = [await freePort(), await freePort()];
  const fronts = [
    { listen: frontOne, to: one },
    { listen: frontTwo, to: two },
  ];
  started.push(await startHaproxy({ dir, port: frontOne, config: callerConfig(fronts, pemFile) }));
  return [
    { ...embedded, front: frontOne },
    { ...envoy, front: frontTwo },
  ];
}

const dir = mkdtempSync(join(tmpdir(), "isthmus-sidecar-"));
const generator = new Generator(buildGenerator(dir));
const started: Peer[] = [];
try {
  const subjects = await startAll(started, {
    dir,
    backend: await generator.serve({ skipsHello: false }),
  });
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < rounds; round++) {
    for (const mode of ["rr", "conn", "bulk"] as const) {
      for (const { name, front, pids } of subjects) {
        const sample = await generator.run(mode, {
          port: front,
          hello: "-",
          connections: loads[mode],
          seconds,
          pids,
        });
        samples.set(`${name} ${mode}`, [...(samples.get(`${name} ${mode}`) ?? []), sample]);
        process.stderr.write(
          `${name} ${mode} ${Math.round(sample.perSecond)}/s ${Math.round(sample.megabytesPerSecond)} MB/s p99 ${sample.p99Us} us, ${sample.cpuUsPerItem.toFixed(1)} us CPU, ${sample.failures} failed\n`,
        );
      }
    }
  }
  report({
    claim: "The embedded sidecar terminates mTLS for TCP at more than half of Envoy's rate",
    setup: { rounds, seconds, connections: loads.rr, bulkConnections: loads.bulk },
    figures: figures(samples),
  });
} finally {
  for (const peer of started) peer.close();
  generator.close();
  rmSync(dir, { recursive: true, force: true });
}

function figures(samples: ReadonlyMap<string, readonly Sample[]>): Figure[] {
  const pick = (run: string, key: keyof Sample): number[] =>
    (samples.get(run) ?? []).map((sample) => sample[key]);
  const against = (mode: Mode, key: keyof Sample): number[] => {
    const envoy = pick(`envoy ${mode}`, key);
    return pick(`embedded ${mode}`, key).map(
      (value, round) => value / (envoy[round] ?? Number.NaN),
    );
  };
  return [
    ...["embedded", "envoy"].flatMap((name): Figure[] => [
      {
        name: `${name}: keep-alive requests`,
        unit: "per second",
        samples: pick(`${name} rr`, "perSecond"),
      },
      { name: `${name}: keep-alive p99`, unit: "us", samples: pick(`${name} rr`, "p99Us") },
      { name: `${name}: CPU per request`, unit: "us", samples: pick(`${name} rr`, "cpuUsPerItem") },
      {
        name: `${name}: new connections`,
        unit: "per second",
        samples: pick(`${name} conn`, "perSecond"),
      },
      {
        name: `${name}: CPU per connection`,
        unit: "us",
        samples: pick(`${name} conn`, "cpuUsPerItem"),
      },
      {
        name: `${name}: bulk`,
        unit: "MB per second",
        samples: pick(`${name} bulk`, "megabytesPerSecond"),
      },
    ]),
    {
      name: "keep-alive requests, embedded / envoy",
      unit: "ratio",
      samples: against("rr", "perSecond"),
      target: { atLeast: 0.6 },
    },
    {
      name: "CPU per request, embedded / envoy",
      unit: "ratio",
      samples: against("rr", "cpuUsPerItem"),
    },
    {
      name: "new connections, embedded / envoy",
      unit: "ratio",
      samples: against("conn", "perSecond"),
    },
    {
      name: "bulk, embedded / envoy",
      unit: "ratio",
      samples: against("bulk", "megabytesPerSecond"),
    },
  ];
}
