import type { MemberResources, OpenView } from "../../../gateway/sets/member-resources.ts";
import type { HostPort } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { infrastructureSpiffeId } from "../../../mesh/ids.ts";
import type { Clock, Log, Peer } from "../../../mesh/ports.ts";
import { AdsServer } from "../../../proxy/io/ads-server.ts";
import type { Admitted, ProxyStatus } from "../../../proxy/io/ads-stream.ts";
import { AgentServer } from "../../../proxy/io/agent-server.ts";
import { type AnnounceOptions, registerAnnounce } from "../../../proxy/io/announce-service.ts";
import { registerChecks } from "../../../proxy/io/identity/check-service.ts";
import {
  type LoadAdmitted,
  type LoadReporter,
  LoadService,
} from "../../../proxy/io/load-service.ts";
import { registerWorkloads } from "../../../proxy/io/register-service.ts";
import { SocketServer } from "../../../proxy/io/socket-server.ts";
import type { SidecarNode } from "../../../proxy/node.ts";
import { type ProxyNode, parseNode } from "../../../proxy/node.ts";
import { witnessOf } from "../../../proxy/witness.ts";
import { type LogPace, pacedLog } from "../../../telemetry/paced-log.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";
import type { HeldResource } from "../../../xds/ledger.ts";
import type { NodeClaim } from "../../../xds/node.ts";
import type { TypeStatus } from "../../../xds/session.ts";
import { type View, viewed } from "../../../xds/view.ts";
import type { ProxyConfigAnswer } from "../../api-model.ts";
import type { XdsSocket } from "../../config/config.ts";
import type { IdentityService } from "../identity/identity-service.ts";
import type { ProxyAnswers } from "../policies/import-policies.ts";
import type { Registration } from "../registration/registration.ts";
import { registerReplicas } from "../replicas/replica-service.ts";
import { type ProxyRoots, proxyRootsOf } from "../rotation/proxy-roots.ts";
import type { SharedTally } from "../rotation/tally.ts";
import type { SidecarProofs } from "../sidecars/sidecar-proofs.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { resourceJson } from "./resource-json.ts";
import { type Served, servedBy } from "./served-by.ts";

export interface AgentProxiesOptions {
  readonly listen: HostPort;
  readonly socket?: XdsSocket;
  readonly trust: AgentTrust;
  readonly resources: MemberResources;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly isWarm: () => boolean;
  /** Whether everything is known that may still come: until then nothing is taken away. */
  readonly isSettled: () => boolean;
  /** Takes what a sidecar's stream proves; returns what is called when it ends. */
  readonly onSidecar: (node: SidecarNode) => () => void;
  /** What the other agents of this member may ask for. */
  readonly proofs: SidecarProofs;
  /** As this agent's heads name it. */
  readonly instance: () => string | undefined;
  /** Called for each proxy that was admitted, and for each that may report, with what it says of itself. */
  readonly onAdmitted: (node: NodeClaim) => void;
  /** Takes what a proxy reports of its traffic. */
  readonly openLoad: (node: ProxyNode, witness: string) => LoadReporter;
  /** Who gets which certificate here. */
  readonly identity: IdentityService;
  /** What this agent has seen of its proxies while the root is rotated. */
  readonly tally: () => SharedTally;
  /** Whether the peer, which trusts the roots of that digest, should renew its certificate before its time. */
  readonly mustRenew: (peer: Peer, bundleDigest: string) => boolean;
  /** Takes what a gateway says of itself. */
  readonly announced: AnnounceOptions["announced"];
  /** Where workloads register; absent: nowhere. */
  readonly registration?: Registration;
}

/** A connected proxy: its stream and what its node said. */
export interface ConnectedProxy {
  readonly status: ProxyStatus;
  readonly node: ProxyNode | undefined;
}

/** The port that sidecars and gateways of this member talk to: xDS and renewals. */
export interface AgentProxies {
  readonly address: HostPort;
  /** Call when `isWarm` or `isSettled` turned true. */
  readonly wake: () => void;
  /** Judges connected peers again, after a new charter. */
  readonly recheck: () => void;
  readonly proxies: () => readonly ConnectedProxy[];
  /** How many of them report load. */
  readonly reporters: () => number;
  /** What they made of all they were sent. */
  readonly answers: () => ProxyAnswers;
  /** Which of them use the roots that they were told last. */
  readonly roots: () => readonly ProxyRoots[];
  /** Ends the connection that `roots` names. */
  readonly cut: (remote: string) => void;
  /** What the proxy was told; undefined: it has no open stream. */
  readonly configOf: (nodeId: string) => ProxyConfigAnswer["resources"] | undefined;
  readonly close: (graceMs: number) => Promise<void>;
}

/** Throws MESH_LISTEN_FAILED. */
export async function serveProxies(options: AgentProxiesOptions): Promise<AgentProxies> {
  const { trust, identity, clock, log, telemetry } = options;
  const peers: { server?: AgentServer } = {};
  const views = new Map<string, View>();
  const peerOf = (remote: string): Peer | undefined => peers.server?.peerOf(remote);
  const comings = pacedLog(log, comingsPace, () => clock.monotonicMs());
  const ads = new AdsServer({
    clock,
    log,
    isWarm: options.isWarm,
    peerOf,
    cut: (remote) => peers.server?.cut(remote),
    admit: (node, peer) => admit({ node, peer, views, log: comings }, options),
    observer: {
      onSent: (type, bytes) => {
        telemetry.count("xdsResponses", { type });
        telemetry.count("xdsSentBytes", { type }, bytes);
      },
      onNack: (_node, type) => telemetry.count("xdsNacks", { type }),
      onRefused: () => telemetry.count("xdsRefused", {}),
      onLimit: () => telemetry.count("xdsLimited", { limit: "streams" }),
    },
  });
  const proxies = (): readonly ConnectedProxy[] => {
    const nodes = new Map(options.resources.nodes().map((node) => [node.id, node]));
    return ads.proxies().map((status) => ({ status, node: nodes.get(status.nodeId) }));
  };
  const loads = new LoadService({
    clock,
    log,
    peerOf,
    admit: (node, peer, remote) => admitLoad({ node, peer, remote }, options),
    onRefused: () => telemetry.count("loadRefused", {}),
  });
  const server = await AgentServer.listen({
    listen: options.listen,
    identity: trust.identities.agent,
    verifyPeer: trust.verifier.verifyCaller,
    clock,
    log,
    onRefused: () => telemetry.count("xdsRefused", {}),
    onLimit: () => telemetry.count("xdsLimited", { limit: "connections" }),
    register: (grpc) => {
      ads.register(grpc);
      loads.register(grpc);
      const served = (): Served => servedBy(proxies());
      registerReplicas(grpc, { ...options, agentId: trust.agentId, peerOf, served });
      registerWorkloads(grpc, { desk: options.registration, peerOf, clock, log });
      registerAnnounce(grpc, {
        gatewayId: infrastructureSpiffeId(trust.view().ownTrustDomain, "gateway"),
        peerOf,
        announced: options.announced,
        clock,
        log,
      });
      identity.register(grpc, peerOf);
      const { mustRenew } = options;
      registerChecks(grpc, { peerOf, mustRenew, proxies: () => ads.holders().length });
    },
    registerUnproven: identity.registerUnproven,
    https: identity.https,
  });
  peers.server = server;
  const socket = await openSocket(options, ads).catch(async (thrown: unknown) => {
    await server.close(0);
    throw thrown;
  });
  return {
    address: server.address,
    wake: () => ads.wake(),
    recheck: () => {
      const closed = server.recheck();
      if (closed > 0) log.warn({ count: closed }, "Proxies cut off by the new charter");
    },
    proxies,
    answers: () => {
      const all = ads.proxies();
      const where = (isSo: (type: TypeStatus) => boolean): ReadonlySet<string> =>
        new Set(all.filter(({ types }) => types.some(isSo)).map(({ nodeId }) => nodeId));
      return {
        connected: new Set(all.map(({ nodeId }) => nodeId)),
        unanswered: where(({ unanswered }) => unanswered > 0),
        refusing: where(({ refused }) => refused > 0),
      };
    },
    roots: () => proxyRootsOf(ads.holders(), (nodeId) => views.get(nodeId)),
    cut: (remote) => server.cut(remote),
    reporters: () => loads.reporters,
    configOf: (nodeId) => {
      const view = views.get(nodeId);
      return ads.heldBy(nodeId)?.map((held) => ({ ...held, resource: contentOf(view, held) }));
    },
    close: async (graceMs) => {
      ads[Symbol.dispose]();
      loads[Symbol.dispose]();
      await Promise.all([server.close(graceMs), socket?.close(graceMs)]);
    },
  };
}

// A proxy that comes and goes without end must not fill the disk; a fleet that starts is seen whole.
const comingsPace: LogPace = { burst: 1000, perSecond: 5 };

/** Nobody behind it has a name: it serves endpoints, and no certificates. */
async function openSocket(
  { socket, log }: AgentProxiesOptions,
  ads: AdsServer,
): Promise<SocketServer | undefined> {
  if (socket === undefined) return undefined;
  const opened = await SocketServer.listen({
    path: socket.path,
    mode: Number.parseInt(socket.mode, 8),
    log,
    register: (grpc) => ads.register(grpc, { peerOf: () => undefined, allowsAnonymous: true }),
  });
  log.info({ address: socket.path }, "Serves programs of this machine");
  return opened;
}

function admit(
  claim: {
    readonly node: NodeClaim;
    readonly peer: Peer | undefined;
    /** By node id; what `proxy config` looks into. */
    readonly views: Map<string, View>;
    readonly log: Log;
  },
  options: AgentProxiesOptions,
): Admitted {
  const { trust, resources } = options;
  const { log } = claim;
  const { ownTrustDomain } = trust.view();
  const proven = claim.peer === undefined ? {} : { peer: claim.peer.id };
  const parsed = parseNode(claim.node, { ...proven, ownTrustDomain });
  if (parsed.t === "refused") return parsed;
  const { node } = parsed;
  // Before the first answer: what it proves may change what it is told.
  const onEnd = node.t === "sidecar" ? options.onSidecar(node) : undefined;
  const opened = opens(resources, node);
  if (opened.t === "refused") {
    onEnd?.();
    return opened;
  }
  log.info({ node: node.id, id: claim.peer?.id }, "Proxy connected");
  options.onAdmitted(claim.node);
  const view = { ...opened.view, isSettled: options.isSettled };
  claim.views.set(node.id, view);
  return {
    t: "ok",
    view,
    onClose: () => {
      opened.close();
      onEnd?.();
      if (claim.views.get(node.id) === view) claim.views.delete(node.id);
      log.info({ node: node.id }, "Proxy gone");
    },
  };
}

function admitLoad(
  {
    node,
    peer,
    remote,
  }: { readonly node: NodeClaim; readonly peer: Peer; readonly remote: string },
  { trust, openLoad, onAdmitted }: AgentProxiesOptions,
): LoadAdmitted {
  const parsed = parseNode(node, { peer: peer.id, ownTrustDomain: trust.view().ownTrustDomain });
  if (parsed.t === "refused") return parsed;
  onAdmitted(node);
  const reporter = openLoad(parsed.node, witnessOf(peer, remote));
  return { t: "ok", key: `${peer.id} ${node.id}`, reporter };
}

function opens(
  resources: MemberResources,
  node: ProxyNode,
): ({ readonly t: "ok" } & OpenView) | { readonly t: "refused"; readonly reason: string } {
  try {
    return { t: "ok", ...resources.open(node) };
  } catch (thrown) {
    if (thrown instanceof MeshError) return { t: "refused", reason: thrown.message };
    throw thrown;
  }
}

/** What is in force now; a proxy that refused it still has its last good one. */
function contentOf(view: View | undefined, held: HeldResource): unknown {
  const resource = view === undefined ? undefined : viewed(view, held);
  return resource === undefined ? undefined : resourceJson(resource);
}
