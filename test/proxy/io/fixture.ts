// An agent's port on loopback and clients that speak gRPC to it.

import { once } from "node:events";
import { connect } from "node:http2";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type StatusObject,
} from "@grpc/grpc-js";
import { parseSpiffeId, type SpiffeId } from "../../../src/mesh/ids.ts";
import type { Clock, Identity, Log, Peer } from "../../../src/mesh/ports.ts";
import { Secret } from "../../../src/mesh/secret.ts";
import { IssueDesk, type IssueDeskOptions } from "../../../src/proxy/identity/issue-desk.ts";
import { RenewalDesk, type RenewalDeskOptions } from "../../../src/proxy/identity/renewal-desk.ts";
import type { AdsOptions } from "../../../src/proxy/io/ads-options.ts";
import { AdsServer } from "../../../src/proxy/io/ads-server.ts";
import { AgentServer, type AgentServerOptions } from "../../../src/proxy/io/agent-server.ts";
import { registerIssuing } from "../../../src/proxy/io/issue-service.ts";
import { registerRenewal } from "../../../src/proxy/io/renewal-service.ts";
import type { PeerLimits } from "../../../src/proxy/peer-limits.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { holdIdentity, type IdentityHolder } from "../../../src/trust/io/renewal.ts";
import { issueSvid } from "../../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../../src/trust/keys.ts";
import { toPem } from "../../../src/trust/pem.ts";
import { createVerifier } from "../../../src/trust/verifier.ts";
import type { AdmissionLimits } from "../../../src/xds/admission.ts";
import { NodeSchema } from "../../../src/xds/gen/envoy/config/core/v3/base_pb.ts";
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "../../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { typeUrls, type XdsType } from "../../../src/xds/resource.ts";
import { ResourceSet } from "../../../src/xds/resource-set.ts";
import { type MadeAuthority, type MadeMesh, madeMesh } from "../../trust/made.ts";

export const agentId: SpiffeId = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");
export const sidecarId: SpiffeId = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

export interface LogLine {
  readonly level: keyof Log;
  readonly fields: object;
  readonly message: string;
}

export async function identityOf(
  issuer: MadeAuthority,
  options: { readonly mesh: MadeMesh; readonly id: SpiffeId; readonly lifeMs?: number },
): Promise<Identity> {
  const key = newPrivateKey();
  const { mesh, ...wish } = options;
  const leaf = await issueSvid({ issuer, spki: spkiOf(key), nowMs: Date.now(), ...wish });
  const keyPem = privateKeyPemOf(key);
  return {
    id: options.id,
    certChainPem: toPem("CERTIFICATE", leaf.der) + toPem("CERTIFICATE", issuer.certificate.der),
    privateKeyPem: typeof keyPem === "string" ? new Secret(keyPem) : keyPem,
    bundlePem: mesh.bundle.pem,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
  };
}

export interface Agent extends AsyncDisposable {
  readonly mesh: MadeMesh;
  readonly set: ResourceSet;
  readonly ads: AdsServer;
  readonly server: AgentServer;
  readonly identity: IdentityHolder;
  readonly lines: readonly LogLine[];
  readonly refusals: readonly string[];
  /** Members that the charter denies from the next judgement on. */
  readonly denied: Set<string>;
}

export async function startAgent(
  options: Partial<AdsOptions> & {
    readonly renew?: RenewalDeskOptions["renew"];
    readonly renewPace?: AdmissionLimits;
    readonly maxUnproven?: number;
    readonly connectionLimits?: Partial<PeerLimits>;
    readonly onLimit?: (what: string) => void;
    /** What callers without a certificate may do; default: nothing. */
    readonly issuing?: Omit<IssueDeskOptions, "clock" | "log">;
    readonly registerUnproven?: NonNullable<AgentServerOptions["registerUnproven"]>;
    readonly https?: NonNullable<AgentServerOptions["https"]>;
  } = {},
): Promise<Agent> {
  const mesh = await madeMesh(Date.now());
  const identity = holdIdentity(await identityOf(mesh.east, { mesh, id: agentId }));
  const lines: LogLine[] = [];
  const refusals: string[] = [];
  const denied = new Set<string>();
  const log = logInto(lines);
  const set = new ResourceSet("test");
  const holder: { server?: AgentServer } = {};
  const peerOf = (remote: string): Peer | undefined => holder.server?.peerOf(remote);
  const ads = new AdsServer({
    clock,
    log,
    admit: () => ({ t: "ok", view: { sets: [set] } }),
    isWarm: () => true,
    peerOf,
    cut: (remote) => holder.server?.cut(remote),
    observer: { onLimit: () => options.onLimit?.("streams") },
    ...options,
  });
  const { verifyPeer } = createVerifier({
    mesh: mesh.charter.charter.mesh,
    bundle: () => mesh.bundle,
    charter: () => ({
      ...mesh.charter.charter,
      members: mesh.charter.charter.members.map((member) =>
        denied.has(member.name) ? { ...member, state: "denied" as const } : member,
      ),
    }),
  });
  const server = await AgentServer.listen({
    listen: { host: "127.0.0.1", port: 0 },
    identity,
    verifyPeer,
    clock,
    log,
    onRefused: (reason) => refusals.push(reason),
    ...(options.maxUnproven === undefined ? {} : { maxUnproven: options.maxUnproven }),
    ...(options.connectionLimits === undefined ? {} : { peerLimits: options.connectionLimits }),
    onLimit: () => options.onLimit?.("connections"),
    ...unproven(options.issuing, log),
    ...(options.registerUnproven === undefined
      ? {}
      : { registerUnproven: options.registerUnproven }),
    ...(options.https === undefined ? {} : { https: options.https }),
    register: (grpc) => {
      ads.register(grpc);
      const renew = options.renew ?? (() => Promise.reject(new Error("no renewals here")));
      const onLimit = (): void => options.onLimit?.("renewals");
      const pace = options.renewPace === undefined ? {} : { pace: options.renewPace };
      const desk = new RenewalDesk({ clock, log, renew, onLimit, ...pace });
      registerRenewal(grpc, { desk, peerOf });
    },
  });
  holder.server = server;
  const dispose = async (): Promise<void> => {
    ads[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  };
  return {
    mesh,
    set,
    ads,
    server,
    identity,
    lines,
    refusals,
    denied,
    [Symbol.asyncDispose]: dispose,
  };
}

function unproven(
  issuing: Omit<IssueDeskOptions, "clock" | "log"> | undefined,
  log: Log,
): Pick<AgentServerOptions, "registerUnproven"> {
  if (issuing === undefined) return {};
  return {
    registerUnproven: (grpc) => registerIssuing(grpc, new IssueDesk({ ...issuing, clock, log })),
  };
}

function logInto(lines: LogLine[]): Log {
  const at =
    (level: keyof Log) =>
    (fields: object, message: string): void => {
      lines.push({ level, fields, message });
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A gRPC client with this identity; none: it shows no certificate. */
export function dial(agent: Agent, identity?: Identity): Client & Disposable {
  const { port } = agent.server.address;
  const client = new Client(
    `127.0.0.1:${port}`,
    credentials.createSsl(
      Buffer.from(agent.mesh.bundle.pem),
      identity === undefined ? null : Buffer.from(identity.privateKeyPem.reveal()),
      identity === undefined ? null : Buffer.from(identity.certChainPem),
      { checkServerIdentity: () => undefined },
    ),
    // Without it two clients of one test share a connection, and so an identity.
    { "grpc.use_local_subchannel_pool": 1, "grpc.ssl_target_name_override": "agent" },
  );
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

export type Request = MessageInitShape<typeof DeltaDiscoveryRequestSchema>;

function requestBytes(type: XdsType, parts: Request): Uint8Array {
  const node = create(NodeSchema, { id: "sidecar/shop/cart-1/x" });
  const message = create(DeltaDiscoveryRequestSchema, { node, typeUrl: typeUrls[type], ...parts });
  return toBinary(DeltaDiscoveryRequestSchema, message);
}

/** A client that sends and never reads: HTTP/2 closes the window of its stream. */
export async function deafClient(
  agent: Agent,
  identity: Identity,
): Promise<AsyncDisposable & { readonly send: (type: XdsType, parts: Request) => void }> {
  const { port } = agent.server.address;
  const session = connect(`https://127.0.0.1:${port}`, {
    cert: identity.certChainPem,
    key: identity.privateKeyPem.reveal(),
    ca: identity.bundlePem,
    checkServerIdentity: () => undefined,
  });
  await once(session, "connect");
  const stream = session.request({
    ":method": "POST",
    ":path": adsPath,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.pause();
  return {
    send: (type, parts) => {
      const message = requestBytes(type, parts);
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(message.length, 1);
      stream.write(Buffer.concat([frame, message]));
    },
    [Symbol.asyncDispose]: async () => {
      session.destroy();
      if (!session.closed) await once(session, "close");
    },
  };
}

const adsPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/** A delta stream that hands out its responses one by one. */
export class Stream implements Disposable {
  readonly #call: ClientDuplexStream<Uint8Array, DeltaDiscoveryResponse>;
  readonly #responses: DeltaDiscoveryResponse[] = [];
  #wake: () => void = () => {};
  readonly ended: Promise<StatusObject>;

  constructor(client: Client) {
    this.#call = client.makeBidiStreamRequest<Uint8Array, DeltaDiscoveryResponse>(
      adsPath,
      (bytes) => Buffer.from(bytes),
      (bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
      new Metadata(),
    );
    this.#call.on("data", (response: DeltaDiscoveryResponse) => {
      this.#responses.push(response);
      this.#wake();
    });
    // The status tells the same.
    this.#call.on("error", () => {});
    this.ended = new Promise((resolve) => this.#call.once("status", resolve));
  }

  send(type: XdsType, parts: Request = {}): void {
    this.raw(requestBytes(type, parts));
  }

  raw(bytes: Uint8Array): void {
    this.#call.write(bytes);
  }

  ack(response: DeltaDiscoveryResponse, error?: string): void {
    const message = create(DeltaDiscoveryRequestSchema, {
      typeUrl: response.typeUrl,
      responseNonce: response.nonce,
      ...(error === undefined ? {} : { errorDetail: { code: 3, message: error } }),
    });
    this.raw(toBinary(DeltaDiscoveryRequestSchema, message));
  }

  /** The next response; rejects when the stream ends instead. */
  async next(): Promise<DeltaDiscoveryResponse> {
    for (;;) {
      const response = this.#responses.shift();
      if (response !== undefined) return response;
      const arrival = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      const status = await Promise.race([arrival, this.ended]);
      if (status !== undefined)
        throw new Error(`the stream ended: ${status.code} ${status.details}`);
    }
  }

  get waiting(): number {
    return this.#responses.length;
  }

  close(): void {
    this.#call.end();
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
  }
}
