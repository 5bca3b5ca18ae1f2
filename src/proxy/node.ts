import type { HostPort } from "../mesh/address.ts";
import { formatHostPort, isInRange, parseIpRange } from "../mesh/address.ts";
import { MeshError } from "../mesh/errors.ts";
import type { Namespace, SpiffeId, TrustDomain } from "../mesh/ids.ts";
import { parseNamespace, spiffePartsOf } from "../mesh/ids.ts";
import type { ServiceTarget } from "../mesh/names.ts";
import type { BuildVersion } from "../xds/node.ts";
import { type Capture, captureOf } from "./capture.ts";
import type { Fields } from "./node-fields.ts";
import { fieldsOf, refuse } from "./node-fields.ts";

/** What an xDS client says it is, after comparison with what its certificate proves. */
export type ProxyNode = SidecarNode | GatewayNode | GrpcNode;

/** The proxy of one workload. */
export interface SidecarNode {
  readonly t: "sidecar";
  /** `sidecar/<namespace>/<workload>/<instance>` */
  readonly id: string;
  readonly engine: ProxyEngine;
  /** Of an Envoy; absent when it does not say. */
  readonly version?: BuildVersion;
  readonly namespace: Namespace;
  readonly workload: string;
  readonly serviceAccount: string;
  /** Empty when unknown. */
  readonly zone: string;
  readonly upstreams: readonly Upstream[];
  readonly inbound: readonly Inbound[];
  /** Absent: the application dials `upstreams`, others dial `inbound`, and nothing is redirected. */
  readonly capture?: Capture;
}

/** An east-west gateway of this member. */
export interface GatewayNode {
  readonly t: "gateway";
  /** `gateway/<namespace>/<workload>/<instance>` */
  readonly id: string;
  readonly engine: ProxyEngine;
  readonly listen: HostPort;
  /** `host:port` of this member that leads to it. */
  readonly address?: string;
}

/** A program that needs no sidecar: its gRPC library asks for endpoints itself. */
export interface GrpcNode {
  readonly t: "grpc";
  /** `grpc/<whatever names it>` */
  readonly id: string;
  readonly engine: "grpc";
  /** Empty when unknown. */
  readonly zone: string;
  readonly security: GrpcSecurity;
}

/**
 * `mtls`: only what proves its identity, here and behind gateways. `plaintext`: only workloads of the own
 * member that have no sidecar.
 */
export const grpcSecurities = ["mtls", "plaintext"] as const;
export type GrpcSecurity = (typeof grpcSecurities)[number];

export type ProxyEngine = "embedded" | "envoy";

/** A local address that leads to a service. */
export interface Upstream {
  readonly target: ServiceTarget;
  readonly listen: HostPort;
}

/** The address of a workload as its member knows it, where the sidecar takes mTLS for it, and the application. */
export interface Inbound {
  readonly endpoint: HostPort;
  readonly listen: HostPort;
  readonly app: HostPort;
}

/**
 * Where others reach an inbound entry. Gateways and sidecars will dial it, so it may be no other host
 * than the workload's own: undefined otherwise. To listen on every address means that one for them.
 */
export function doorOf({ endpoint, listen }: Inbound): HostPort | undefined {
  const own = [endpoint.host, "0.0.0.0", "::"].map(parseIpRange);
  const isOwn = own.some((range) => isInRange(listen.host, range));
  return isOwn ? { host: endpoint.host, port: listen.port } : undefined;
}

export type NodeVerdict =
  | { readonly t: "ok"; readonly node: ProxyNode }
  | { readonly t: "refused"; readonly reason: string };

/** The parts of Envoy's `Node` that are read. */
export interface NodeInput {
  readonly id: string;
  readonly metadata?: unknown;
  /** Of its locality; empty or absent when unknown. */
  readonly zone?: string;
  readonly version?: BuildVersion;
}

/** What is proven about whoever sends a node. */
export interface NodeProof {
  /** Absent: it came through a door that proves nothing but its right to be there. */
  readonly peer?: SpiffeId;
  readonly ownTrustDomain: TrustDomain;
}

// A proxy that claims more is broken or hostile; each entry costs a listener.
const maxUpstreams = 1_000;
const maxInbound = 100;

/** Believes only what the peer's certificate proves: role, namespace, service account, own member. */
export function parseNode(input: NodeInput, proof: NodeProof): NodeVerdict {
  try {
    return { t: "ok", node: nodeOf(input, proof) };
  } catch (thrown) {
    if (thrown instanceof MeshError) return { t: "refused", reason: thrown.message };
    throw thrown;
  }
}

function nodeOf(input: NodeInput, proof: NodeProof): ProxyNode {
  const fields = fieldsOf(input.metadata, "metadata");
  const role = fields.oneOf("role", ["sidecar", "gateway", "grpc"] as const);
  if (proof.peer === undefined) {
    // It sees where services are and nothing that belongs to one proxy.
    if (role === "grpc") return grpcOf(input, fields);
    return refuse("role", role, "its connection proved no identity");
  }
  const { trustDomain, path } = spiffePartsOf(proof.peer);
  if (trustDomain !== proof.ownTrustDomain) refuse("peer", proof.peer, "it is of another member");
  switch (role) {
    case "sidecar":
      return sidecarOf(input, { fields, path });
    case "gateway":
      return gatewayOf(input.id, { fields, path });
    case "grpc":
      if (!path.startsWith("/ns/")) refuse("identity", path, "it is not a workload's");
      return grpcOf(input, fields);
  }
}

interface Claim {
  readonly fields: Fields;
  /** Of the peer's SPIFFE ID. */
  readonly path: string;
}

function sidecarOf({ id, version }: NodeInput, { fields, path }: Claim): SidecarNode {
  const namespace = parseNamespace(fields.text("namespace"));
  const workload = fields.name("workload");
  const serviceAccount = fields.name("serviceAccount");
  const wanted = `/ns/${namespace}/sa/${serviceAccount}`;
  if (path !== wanted) refuse("identity", path, `the node says it is ${wanted}`);
  checkId(id, `sidecar/${namespace}/${workload}/`);
  const capture = capturedBy(fields);
  const node: SidecarNode = {
    t: "sidecar",
    id,
    engine: engineOf(fields),
    ...(version === undefined ? {} : { version }),
    namespace,
    workload,
    serviceAccount,
    zone: fields.optionalText("zone") === undefined ? "" : fields.name("zone"),
    upstreams: fields.list("upstreams", maxUpstreams).map(upstreamOf),
    inbound: fields.list("inbound", maxInbound).map(inboundOf),
    ...(capture === undefined ? {} : { capture }),
  };
  refuseSharedListen(node);
  if (capture !== undefined && node.inbound.length > 0) {
    refuse("inbound", node.inbound.length, "what comes in is captured, whatever its port");
  }
  return node;
}

function capturedBy(fields: Fields): Capture | undefined {
  if (fields.optionalText("capture") === undefined) return undefined;
  if (fields.oneOf("capture", ["ports", "transparent"] as const) === "ports") return undefined;
  if (engineOf(fields) === "envoy") return captureOf(fields.fields("transparent"));
  return refuse("capture", "transparent", "this engine cannot learn what was dialled");
}

function gatewayOf(id: string, { fields, path }: Claim): GatewayNode {
  if (path !== "/isthmus/gateway") refuse("identity", path, "it is not a gateway's");
  checkId(id, "gateway/");
  return {
    t: "gateway",
    id,
    engine: engineOf(fields),
    listen: fields.address("listen"),
    ...(fields.optionalText("address") === undefined ? {} : { address: fields.text("address") }),
  };
}

function grpcOf({ id, zone = "" }: NodeInput, fields: Fields): GrpcNode {
  checkId(id, "grpc/");
  const isSecuritySaid = fields.optionalText("security") !== undefined;
  return {
    t: "grpc",
    id,
    engine: "grpc",
    zone: zone === "" ? "" : fieldsOf({ zone }, "locality").name("zone"),
    // What is not asked for in so many words is never sent in the clear.
    security: isSecuritySaid ? fields.oneOf("security", grpcSecurities) : "mtls",
  };
}

function engineOf(fields: Fields): ProxyEngine {
  return fields.oneOf("engine", ["embedded", "envoy"] as const);
}

function checkId(id: string, prefix: string): void {
  const isShort = id.length <= 512;
  if (!isShort || !id.startsWith(prefix) || !/^[A-Za-z0-9._/-]+$/.test(id)) {
    refuse("node id", id, `it does not start with ${prefix}`);
  }
}

function upstreamOf(fields: Fields): Upstream {
  return {
    target: fields.target("service", fields.port("port")),
    listen: fields.address("listen"),
  };
}

function inboundOf(fields: Fields): Inbound {
  return {
    endpoint: fields.address("endpoint"),
    listen: fields.address("listen"),
    app: fields.address("app"),
  };
}

/** Two listeners on one address: an engine would take one of them, and not say which. */
function refuseSharedListen(node: SidecarNode): void {
  const seen = new Set<string>();
  for (const { listen } of [...node.upstreams, ...node.inbound]) {
    const key = formatHostPort(listen);
    if (seen.has(key)) refuse("listen address", key, "two entries name it");
    seen.add(key);
  }
}
