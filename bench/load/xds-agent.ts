/** An agent's xDS port with sets of made-up resources, and a fleet of clients that views them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Charter } from "../../src/mesh/charter.ts";
import type { SpiffeId } from "../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
  parseSpiffeId,
} from "../../src/mesh/ids.ts";
import type { Clock, Identity, Log, Peer } from "../../src/mesh/ports.ts";
import { AdsServer } from "../../src/proxy/io/ads-server.ts";
import { AgentServer } from "../../src/proxy/io/agent-server.ts";
import { bundleOf } from "../../src/trust/bundle.ts";
import { firstCharter } from "../../src/trust/charter-edit.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { holdIdentity } from "../../src/trust/io/renewal.ts";
import { createRoot, issueIntermediate, issueSvid } from "../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../src/trust/keys.ts";
import { toPem } from "../../src/trust/pem.ts";
import { signerOf } from "../../src/trust/signer.ts";
import { createVerifier } from "../../src/trust/verifier.ts";
import { encodeResource } from "../../src/xds/encode.ts";
import {
  Cluster_DiscoveryType,
  ClusterSchema,
} from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { UpstreamTlsContextSchema } from "../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import type { Resource } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import type { FleetOrder, FromFleet, ToFleet } from "./xds-fleet.ts";

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
};

const clientId = parseSpiffeId("spiffe://east.bench.mesh/ns/bench/sa/client");
// One certificate may hold 64 streams: room for 3,200.
const certificates = 50;

export interface BenchAgent extends AsyncDisposable {
  readonly port: number;
  readonly set: ResourceSet;
  readonly ads: AdsServer;
  /** What the fleet shows; absent in plaintext. */
  readonly tls?: FleetOrder["tls"];
}

export async function startBenchAgent(options: { readonly isTls: boolean }): Promise<BenchAgent> {
  const set = new ResourceSet("bench");
  const holder: { server?: AgentServer } = {};
  const ads = new AdsServer({
    clock,
    log,
    isWarm: () => true,
    allowsAnonymous: true,
    peerOf: (remote) => (options.isTls ? holder.server?.peerOf(remote) : plainPeer(remote)),
    admit: () => ({ t: "ok", view: { sets: [set] } }),
    // The pace of admission is not what is measured.
    admission: { perSecond: 100_000, burst: 100_000 },
  });
  if (!options.isTls) return await plainAgent(set, ads);
  const { agent, clients, verifyPeer } = await identities();
  const server = await AgentServer.listen({
    listen: { host: "127.0.0.1", port: 0 },
    identity: holdIdentity(agent),
    verifyPeer,
    clock,
    log,
    register: (grpc) => ads.register(grpc),
  });
  holder.server = server;
  return {
    port: server.address.port,
    set,
    ads,
    tls: clients.map((client) => ({
      cert: client.certChainPem,
      key: client.privateKeyPem.reveal(),
      ca: client.bundlePem,
    })),
    [Symbol.asyncDispose]: async () => {
      ads[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Without TLS nothing is proven, and few may be served so: each connection passes as one of its own. */
function plainPeer(remote: string): Peer {
  return {
    id: clientId,
    notBeforeMs: 0,
    notAfterMs: Number.MAX_SAFE_INTEGER,
    leafSha256: remote,
    issuerSpkiSha256: "",
    isExpired: false,
  };
}

async function plainAgent(set: ResourceSet, ads: AdsServer): Promise<BenchAgent> {
  const grpc = new Server({ "grpc.enable_channelz": 0 });
  ads.register(grpc);
  const port = await new Promise<number>((resolve, reject) => {
    grpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    set,
    ads,
    [Symbol.asyncDispose]: () => {
      ads[Symbol.dispose]();
      grpc.forceShutdown();
      return Promise.resolve();
    },
  };
}

async function identities(): Promise<{
  readonly agent: Identity;
  readonly clients: readonly Identity[];
  readonly verifyPeer: ReturnType<typeof createVerifier>["verifyPeer"];
}> {
  const mesh = parseMeshDomain("bench.mesh");
  const member = parseMemberName("east");
  const nowMs = Date.now();
  const signer = signerOf(newPrivateKey());
  const root = { signer, certificate: await createRoot({ mesh, signer, nowMs }) };
  const memberKey = newPrivateKey();
  const issuer = {
    signer: signerOf(memberKey),
    certificate: await issueIntermediate({ root, member, mesh, spki: spkiOf(memberKey), nowMs }),
  };
  const bundle = bundleOf([root.certificate.der]);
  const identity = async (id: SpiffeId): Promise<Identity> => {
    const key = newPrivateKey();
    const leaf = await issueSvid({ issuer, id, spki: spkiOf(key), nowMs });
    return {
      id,
      certChainPem: toPem("CERTIFICATE", leaf.der) + toPem("CERTIFICATE", issuer.certificate.der),
      privateKeyPem: privateKeyPemOf(key),
      bundlePem: bundle.pem,
      notBeforeMs: leaf.notBeforeMs,
      notAfterMs: leaf.notAfterMs,
    };
  };
  const charter: Charter = {
    ...firstCharter({ mesh, bundle, nowMs }),
    members: [
      {
        name: member,
        cloud: "aws",
        region: "us-east-1",
        network: parseNetworkName("east"),
        gatewayRanges: [],
        mayExport: ["*"],
        issuers: [issuer.signer.keyId],
        state: "active",
      },
    ],
  };
  return {
    agent: await identity(parseSpiffeId("spiffe://east.bench.mesh/isthmus/agent")),
    clients: await Promise.all(Array.from({ length: certificates }, () => identity(clientId))),
    verifyPeer: createVerifier({ mesh, bundle: () => bundle, charter: () => charter }).verifyPeer,
  };
}

export class Fleet implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when every client has all it expects. */
  static async start(order: FleetOrder): Promise<Fleet> {
    const path = fileURLToPath(new URL("xds-fleet.ts", import.meta.url));
    const fleet = new Fleet(fork(path, { execArgv: ["--disable-warning=DEP0123"] }));
    fleet.#tell({ t: "start", order });
    await fleet.#hear("ready");
    return fleet;
  }

  /** Runs the change and resolves when every client has got a response after it. */
  async reach(change: () => void): Promise<{ readonly lastMs: number; readonly medianMs: number }> {
    this.#tell({ t: "arm" });
    await this.#hear("armed");
    const reached = this.#hear("reached");
    const startNs = process.hrtime.bigint();
    change();
    const { lastNs, medianNs } = await reached;
    const sinceMs = (ns: string): number => Number(BigInt(ns) - startNs) / 1e6;
    return { lastMs: sinceMs(lastNs), medianMs: sinceMs(medianNs) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, "exit");
    this.#tell({ t: "stop" });
    await exit;
  }

  #tell(message: ToFleet): void {
    this.#child.send(message);
  }

  async #hear<T extends FromFleet["t"]>(t: T): Promise<Extract<FromFleet, { t: T }>> {
    for (;;) {
      const [message] = (await once(this.#child, "message")) as [FromFleet];
      if (message.t === t) return message as Extract<FromFleet, { t: T }>;
    }
  }
}

export function clusterName(index: number): string {
  return `outbound|80||service-${index}.shop.svc.cluster.local`;
}

/** A cluster with mTLS, about 450 bytes. */
export function benchCluster(index: number): Resource {
  const name = clusterName(index);
  const message = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: { configSourceSpecifier: { case: "ads", value: {} } } },
    connectTimeout: durationFromMs(500),
    commonLbConfig: { updateMergeWindow: durationFromMs(0) },
    transportSocket: {
      name: "tls",
      configType: {
        case: "typedConfig",
        value: {
          $typeName: "google.protobuf.Any",
          typeUrl: `type.googleapis.com/${UpstreamTlsContextSchema.typeName}`,
          value: toBinary(
            UpstreamTlsContextSchema,
            create(UpstreamTlsContextSchema, {
              sni: `outbound_.80_._.service-${index}.shop.svc.cluster.local`,
              commonTlsContext: {
                tlsCertificateSdsSecretConfigs: [{ name: "identity" }],
                validationContextType: {
                  case: "validationContextSdsSecretConfig",
                  value: { name: `validation|shop/service-${index}` },
                },
              },
            }),
          ),
        },
      },
    },
  });
  return encodeResource({ type: "cluster", name, schema: ClusterSchema, message });
}

/** An assignment of so many endpoints, about 30 bytes each; `seed` moves the addresses. */
export function benchAssignment(
  index: number,
  options: { readonly endpoints: number; readonly seed: number },
): Resource {
  const name = clusterName(index);
  const message = create(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [
      {
        locality: { region: "us-east-1", zone: "east/a" },
        lbEndpoints: Array.from({ length: options.endpoints }, (_, at) => ({
          hostIdentifier: {
            case: "endpoint" as const,
            value: {
              address: {
                address: {
                  case: "socketAddress" as const,
                  value: {
                    address: `10.${options.seed % 250}.${index % 250}.${at + 1}`,
                    portSpecifier: { case: "portValue" as const, value: 8080 },
                  },
                },
              },
            },
          },
        })),
      },
    ],
  });
  return encodeResource({ type: "endpoint", name, schema: ClusterLoadAssignmentSchema, message });
}
