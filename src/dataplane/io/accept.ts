import type { TLSSocket } from "node:tls";
import { peerChain } from "../../mesh/peer-chain.ts";
import { chooseChain, type FirstBytes } from "../chains.ts";
import { maxBufferedBytes, readClientHello } from "../client-hello.ts";
import type { DownstreamTls, ValidationModel } from "../config/model.ts";
import { isAllowed } from "../rbac.ts";
import type { EngineContext, Flow, FlowSocket, ListenerView } from "./context.ts";
import { flowKey } from "./context.ts";
import { closeFlow, enter, newFlow, refuse } from "./flow.ts";
import { onClose, onData, onDrain, onEnd, onError } from "./relay.ts";
import { connectUpstream } from "./upstream.ts";

// A probe that does not hang up after its handshake.
const probeMs = 5_000;

/** Takes one accepted connection from its first byte to its filter chain. */
export function accept(
  context: EngineContext,
  { raw, listener }: { readonly raw: FlowSocket; readonly listener: ListenerView },
): void {
  const { counters, limits } = context;
  counters.accepted += 1;
  const flow = newFlow(context, { raw, listener });
  raw.on("error", onError);
  raw.on("close", onRawClose);
  if (counters.open + counters.pending >= limits.maxConnections) return refuse(flow, "over-limit");
  if (listener.inspector !== undefined) return greet(flow, listener.inspector);
  const [chain] = listener.chains;
  if (chain === undefined) return refuse(flow, "no-filter-chain");
  flow.chain = chain;
  if (chain.tls !== undefined) return startTls(flow, chain.tls);
  raw.on("data", onData);
  raw.on("drain", onDrain);
  raw.on("end", onEnd);
  admit(flow);
}

function greet(flow: Flow, { timeoutMs }: { readonly timeoutMs: number }): void {
  const { context, raw } = flow;
  makeRoom(context, flow.acceptedMs);
  flow.deadlineMs = flow.acceptedMs + timeoutMs;
  enter(flow, "hello");
  raw.on("data", onFirstData);
  raw.on("end", onFirstEnd);
}

// In one turn of the event loop a whole backlog is accepted before any hello is read; whoever was
// accepted only just now has had no chance yet.
const graceMs = 250;
// Bounds what such a burst may hold, in multiples of the pool.
const burstFactor = 8;

/** Whoever waits longest goes first, so that silent connections never keep others out. */
function makeRoom({ greeting, limits }: EngineContext, nowMs: number): void {
  if (greeting.size < limits.maxPendingHellos) return;
  const [oldest] = greeting;
  const isBurst = greeting.size < limits.maxPendingHellos * burstFactor;
  if (oldest === undefined || (isBurst && nowMs - oldest.acceptedMs < graceMs)) return;
  refuse(oldest, "hello-evicted");
}

function onFirstData(this: FlowSocket, chunk: Buffer): void {
  const flow = this[flowKey];
  const maxHelloBytes = flow?.listener.inspector?.maxHelloBytes;
  if (flow?.phase !== "hello" || maxHelloBytes === undefined) return;
  const bytes = gather(flow, { chunk, maxHelloBytes });
  const verdict = readClientHello(bytes, maxHelloBytes);
  switch (verdict.t) {
    case "more":
      return;
    case "hello":
      flow.serverName = verdict.serverName;
      return choose(flow, { bytes, first: { transport: "tls", serverName: verdict.serverName } });
    case "refused": {
      const chain = chooseChain(flow.listener.chains, { transport: "raw_buffer" });
      if (verdict.reason !== "not-tls" || chain === undefined) return refuse(flow, verdict.reason);
      return choose(flow, { bytes, first: { transport: "raw_buffer" } });
    }
  }
}

/** The bytes so far. A hello in one piece is not copied; one in many is gathered in one buffer. */
function gather(
  flow: Flow,
  { chunk, maxHelloBytes }: { readonly chunk: Buffer; readonly maxHelloBytes: number },
): Buffer {
  if (flow.head === undefined) {
    flow.head = chunk;
    flow.headBytes = chunk.length;
    return chunk;
  }
  const total = flow.headBytes + chunk.length;
  if (flow.head.length < total) {
    const grown = Buffer.allocUnsafeSlow(Math.max(total, maxBufferedBytes(maxHelloBytes)));
    flow.head.copy(grown, 0, 0, flow.headBytes);
    flow.head = grown;
  }
  chunk.copy(flow.head, flow.headBytes);
  flow.headBytes = total;
  return flow.head.subarray(0, total);
}

function onFirstEnd(this: FlowSocket): void {
  const flow = this[flowKey];
  if (flow?.phase === "hello") refuse(flow, "hello-cut");
}

function choose(
  flow: Flow,
  { bytes, first }: { readonly bytes: Buffer; readonly first: FirstBytes },
): void {
  const { raw } = flow;
  const chain = chooseChain(flow.listener.chains, first);
  if (chain === undefined) return refuse(flow, "no-filter-chain");
  flow.chain = chain;
  raw.off("data", onFirstData);
  raw.off("end", onFirstEnd);
  raw.pause();
  if (chain.tls !== undefined) {
    flow.head = undefined;
    raw.unshift(bytes);
    return startTls(flow, chain.tls);
  }
  flow.head = bytes;
  raw.on("data", onData);
  raw.on("drain", onDrain);
  raw.on("end", onEnd);
  admit(flow);
}

function startTls(flow: Flow, { validation, handshakeTimeoutMs, alpn }: DownstreamTls): void {
  const { context, raw } = flow;
  const model = context.config.secret.get(validation.secret)?.model;
  if (model === undefined) return refuse(flow, "no-validation", { resource: validation.secret });
  // Reset while it waited to be accepted: an answer would cost a signature just when there is no time for those who
  // still wait, and Node never hears that nobody took it.
  if (raw.remoteAddress === undefined) return refuse(flow, "handshake-failed");
  const nowMs = context.clock.monotonicMs();
  makeRoom(context, nowMs);
  const timeoutMs = handshakeTimeoutMs ?? context.limits.handshakeTimeoutMs;
  flow.deadlineMs = nowMs + timeoutMs;
  enter(flow, "handshake");
  const key = tupleOf(raw);
  handshakes.set(key, flow);
  raw.once("close", () => {
    if (handshakes.get(key) === flow) handshakes.delete(key);
  });
  context.tls.server(model, alpn).emit("connection", raw);
}

/**
 * Flows whose TLS session Node is making. Its server tells only the session, and the session shares
 * nothing public with the accepted socket but its addresses.
 */
const handshakes = new Map<string, Flow>();

function tupleOf(socket: FlowSocket): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localAddress}|${socket.localPort}`;
}

/** The chain of certificates held; names and rules are judged here. */
export function onSecure(session: TLSSocket): void {
  const down: FlowSocket = session;
  const key = tupleOf(down);
  const flow = handshakes.get(key);
  down.on("error", onError);
  if (flow?.phase !== "handshake") return void down.destroy();
  handshakes.delete(key);
  const { context, chain } = flow;
  const validation = context.config.secret.get(chain?.tls?.validation.secret ?? "")?.model;
  const shown = chainOf(session, validation);
  if (validation === undefined || shown.length === 0) return refuse(flow, "no-validation");
  const verdict = context.tls.judgeCaller(validation, shown);
  if (verdict.t === "refused") return refuse(flow, "not-allowed", { state: verdict.reason });
  flow.peer = verdict.id;
  flow.down = down;
  down[flowKey] = flow;
  // Nothing is read before an upstream is there to take it.
  down.pause();
  down.on("data", onData);
  down.on("drain", onDrain);
  down.on("end", onEnd);
  down.on("close", onClose);
  admit(flow);
}

/** The whole chain where TLS has not judged it; it costs more than the leaf. */
function chainOf(
  session: TLSSocket,
  validation: ValidationModel | undefined,
): readonly Uint8Array[] {
  if (validation?.domains !== undefined) return peerChain(session);
  const leaf = session.getPeerX509Certificate();
  return leaf === undefined ? [] : [leaf.raw];
}

function admit(flow: Flow): void {
  const { chain, peer } = flow;
  if (chain === undefined || !isAllowed(chain.rbac, peer)) return refuse(flow, "not-allowed");
  if (chain.end.t === "proxy") connectUpstream(flow);
  else echo(flow);
}

/** Once and not for long: a probe needs no more than the handshake. */
function echo(flow: Flow): void {
  const { context, down } = flow;
  context.counters.probesAnswered += 1;
  flow.deadlineMs = context.clock.monotonicMs() + probeMs;
  enter(flow, "open");
  down.off("data", onData);
  down.once("data", (chunk: Buffer) => down.end(chunk));
  down.once("end", () => down.end());
  down.resume();
}

function onRawClose(this: FlowSocket, hadError: boolean): void {
  const flow = this[flowKey];
  if (flow?.phase === "hello") refuse(flow, "hello-cut");
  else if (flow?.phase === "handshake") refuse(flow, "handshake-failed");
  else if (flow?.phase === "connecting") closeFlow(flow);
  else if (flow?.phase === "open" && flow.down === this) onClose.call(this, hadError);
}
