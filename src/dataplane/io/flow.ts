import type { Socket } from "node:net";
import type { ChainEnd } from "../config/model.ts";
import type { RefusalReason } from "../counters.ts";
import { type LoadEnd, loadAt, noteBytes, noteDropped, noteEnd } from "../load.ts";
import type { EngineContext, Flow, FlowSocket, ListenerView } from "./context.ts";
import { flowKey } from "./context.ts";

export function newFlow(
  context: EngineContext,
  { raw, listener }: { readonly raw: FlowSocket; readonly listener: ListenerView },
): Flow {
  const flow: Flow = {
    context,
    listener,
    raw,
    down: raw,
    phase: "hello",
    chain: undefined,
    serverName: undefined,
    peer: undefined,
    head: undefined,
    headBytes: 0,
    pool: undefined,
    host: undefined,
    upRaw: undefined,
    up: undefined,
    upPeer: undefined,
    tried: undefined,
    load: undefined,
    sinceMs: 0,
    isGreetingHost: false,
    toldIn: 0,
    toldOut: 0,
    deadlineMs: Infinity,
    acceptedMs: context.clock.monotonicMs(),
    lastByteMs: context.coarseMs,
    isAsking: false,
    heardMs: context.coarseMs,
    hasKeepalive: false,
    fullReads: 0,
    buffer: undefined,
  };
  raw[flowKey] = flow;
  return flow;
}

export function proxyOf(flow: Flow): Extract<ChainEnd, { t: "proxy" }> | undefined {
  return flow.chain?.end.t === "proxy" ? flow.chain.end : undefined;
}

/** Moves a flow between the sets that the sweep watches. */
export function enter(flow: Flow, phase: Flow["phase"]): void {
  const { context } = flow;
  leave(flow);
  if (flow.phase === "connecting" && flow.pool !== undefined) flow.pool.pending -= 1;
  if (phase === "connecting" && flow.pool !== undefined) flow.pool.pending += 1;
  flow.phase = phase;
  switch (phase) {
    case "hello":
    case "handshake":
      context.greeting.add(flow);
      break;
    case "connecting":
      context.connecting.add(flow);
      break;
    case "open":
      context.open.add(flow);
      break;
    case "closed":
      break;
  }
  context.counters.pending = context.greeting.size + context.connecting.size;
  context.counters.open = context.open.size;
}

function leave(flow: Flow): void {
  const { context } = flow;
  context.greeting.delete(flow);
  context.connecting.delete(flow);
  context.open.delete(flow);
}

export interface RefusalAbout {
  /** The Envoy cluster or secret in question. */
  readonly resource?: string | undefined;
  readonly attempt?: number;
  readonly state?: string;
}

/** Ends a flow that was not served. A reset, so that it never looks like an empty answer. */
export function refuse(flow: Flow, reason: RefusalReason, about: RefusalAbout = {}): void {
  if (flow.phase === "closed") return;
  const { context, listener, serverName, peer, raw, pool } = flow;
  const address = `${raw.remoteAddress ?? "?"}:${raw.remotePort ?? "?"}`;
  context.refusals.note(reason, {
    listener: listener.name,
    sni: serverName,
    id: peer,
    address,
    ...about,
  });
  const isDropped = reason === "no-host" || reason === "over-limit";
  if (isDropped && pool !== undefined) {
    const at = { envoyCluster: pool.model.name, locality: undefined, priority: 0 };
    noteDropped(loadAt(context.loads, at), reason);
  }
  closeFlow(flow, reason === "no-validation" ? "tls" : undefined);
}

/**
 * Resets both sides: a stream cut in the middle must not look like a clean end. Whoever does not say
 * why ends an open connection by its own will, and an attempt because its caller is gone.
 */
export function closeFlow(flow: Flow, end?: LoadEnd): void {
  if (flow.phase === "closed") return;
  endLoad(flow, end ?? (flow.phase === "open" ? "cut" : "aborted"));
  enter(flow, "closed");
  releaseHost(flow);
  resetBoth(flow);
  flow.head = undefined;
  flow.buffer = undefined;
}

/** Ends a connection because of what the agent said, not because of the peers. */
export function closeByConfig(flow: Flow): void {
  flow.context.counters.closedByConfig += 1;
  closeFlow(flow);
}

/** Both sides of a flow. */
export function resetBoth({ raw, down, upRaw, up }: Flow): void {
  reset(raw, down);
  if (upRaw !== undefined) reset(upRaw, up);
}

/** `session`: what is spoken on the socket, if not its own bytes. */
export function reset(socket: Socket, session: Socket = socket): void {
  if (socket.destroyed) return;
  // Node would put off the reset until the connect succeeds, which for a dead host is never.
  if (socket.connecting || isSayingGoodbye(session)) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * All is written and the FIN is on its way to the kernel. libuv refuses a reset then (EINVAL), and Node lets
 * go of the handle without closing it: the connection would stay for good.
 */
function isSayingGoodbye(session: Socket): boolean {
  return session.writableEnded && !session.writableFinished && session.writableLength === 0;
}

// A host found dead by probes has been silent for longer than that; one that was not, is not dead.
const contradictionMs = 1_000;

/**
 * Whether its host is held for dead and nothing contradicts it. A probe can be wrong and bytes cannot:
 * a connection that still gets some stays.
 */
export function isAbandoned({ host, heardMs, context }: Flow): boolean {
  return host?.isLeft === true && context.coarseMs - heardMs >= contradictionMs;
}

/** How the present attempt or connection ended, for the load reports. */
export function endLoad(flow: Flow, end: LoadEnd): void {
  const { load } = flow;
  if (load === undefined) return;
  noteFlowBytes(flow);
  noteEnd(load, end);
  flow.load = undefined;
}

/** Counts payload that came since the last call: the sockets count by themselves. */
export function noteFlowBytes(flow: Flow): void {
  const { load, up, down } = flow;
  if (load === undefined || up === undefined) return;
  const { bytesRead: bytesIn } = up;
  const { bytesRead: bytesOut } = down;
  noteBytes(load, { in: bytesIn - flow.toldIn, out: bytesOut - flow.toldOut });
  flow.toldIn = bytesIn;
  flow.toldOut = bytesOut;
}

/** Gives back what the flow holds of its pool and host. */
export function releaseHost(flow: Flow): void {
  if (flow.host !== undefined) {
    flow.host.active -= 1;
    flow.host = undefined;
  }
  if (flow.pool !== undefined) {
    flow.pool.active -= 1;
    flow.pool = undefined;
  }
}
