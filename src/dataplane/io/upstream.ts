import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { noteConnected, noteFailure } from "../balance/outlier.ts";
import { pickHost } from "../balance/pick.ts";
import type { Host, Pool } from "../balance/pool.ts";
import type { UpstreamTls } from "../config/model.ts";
import { loadAt, noteBegin, noteConnect, noteFirstByte } from "../load.ts";
import type { Flow, FlowSocket } from "./context.ts";
import { flowKey } from "./context.ts";
import { closeFlow, endLoad, enter, proxyOf, refuse, reset } from "./flow.ts";
import {
  join,
  nextReadBuffer,
  onClose,
  onData,
  onDrain,
  onEnd,
  onError,
  onUpstreamRead,
} from "./relay.ts";

/** Finds a host for the flow and joins the two; the downstream side is paused meanwhile. */
export function connectUpstream(flow: Flow): void {
  const { context } = flow;
  const to = proxyOf(flow)?.to;
  const name = to?.t === "cluster" ? to.name : flow.serverName;
  const pool = name === undefined ? undefined : context.pools.get(name);
  if (pool === undefined) return refuse(flow, "no-cluster", { resource: name });
  if (pool.active >= pool.model.maxConnections || pool.pending >= pool.model.maxPending) {
    return refuse(flow, "over-limit", { resource: name });
  }
  flow.pool = pool;
  pool.active += 1;
  enter(flow, "connecting");
  attempt(flow);
}

function attempt(flow: Flow): void {
  const { context, pool } = flow;
  if (pool === undefined) return;
  const nowMs = context.clock.monotonicMs();
  const host = nextHost(flow, { pool, nowMs });
  if (host === undefined) return refuse(flow, "no-host", { resource: pool.model.name });
  flow.host = host;
  host.active += 1;
  flow.deadlineMs = nowMs + pool.model.connectTimeoutMs;
  flow.sinceMs = nowMs;
  flow.isGreetingHost = false;
  const { locality, priority } = host.model;
  flow.load = loadAt(context.loads, { envoyCluster: pool.model.name, locality, priority });
  noteBegin(flow.load);
  flow.upRaw = open(flow, host);
}

const nobody: ReadonlySet<Host> = new Set();

/** One that has not failed yet; where there is none, one that was only late is asked again. */
function nextHost(
  flow: Flow,
  { pool, nowMs }: { readonly pool: Pool; readonly nowMs: number },
): Host | undefined {
  const { tried } = flow;
  const { random } = flow.context;
  const host = pickHost(pool, { nowMs, random, tried: tried?.hosts ?? nobody });
  if (host !== undefined || tried === undefined) return host;
  for (const late of tried.late) tried.hosts.delete(late);
  tried.late.clear();
  return pickHost(pool, { nowMs, random, tried: tried.hosts });
}

function open(flow: Flow, host: Host): FlowSocket {
  const socket: FlowSocket = connect({
    host: host.address.host,
    port: host.address.port,
    noDelay: true,
    allowHalfOpen: true,
    // TLS sessions allocate by themselves, exactly as much as they need.
    ...(host.tls === undefined
      ? { onread: { buffer: nextReadBuffer, callback: onUpstreamRead } }
      : {}),
  });
  socket[flowKey] = flow;
  socket.on("error", onUpstreamError);
  socket.on("connect", onConnect);
  socket.on("close", onUpstreamClose);
  return socket;
}

// No fault of the host: this process has no file descriptor, port or buffer left.
const ownFaults: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS"]);

function onUpstreamError(this: FlowSocket, error: NodeJS.ErrnoException): void {
  const flow = this[flowKey];
  if (flow?.phase !== "connecting" || flow.upRaw !== this) return;
  if (ownFaults.has(error.code ?? "")) refuse(flow, "over-limit", { state: error.message });
}

function onConnect(this: FlowSocket): void {
  const flow = this[flowKey];
  if (flow?.phase !== "connecting" || flow.upRaw !== this || flow.host === undefined) return;
  if (flow.host.tls !== undefined) return startTls(flow, flow.host.tls);
  this.on("drain", onDrain);
  this.on("end", onEnd);
  established(flow, this);
}

function startTls(flow: Flow, tls: UpstreamTls): void {
  const { context, upRaw } = flow;
  const validation = context.config.secret.get(tls.validation.secret)?.model;
  // Without a name the bundle alone would let any workload of the mesh stand in for the service.
  if (validation === undefined || validation.names.length === 0 || upRaw === undefined) {
    return refuse(flow, "no-validation", { resource: tls.validation.secret });
  }
  flow.isGreetingHost = true;
  const session: FlowSocket = connectTls({
    socket: upRaw,
    secureContext: context.tls.client(validation),
    rejectUnauthorized: true,
    ...(tls.sni === "" ? {} : { servername: tls.sni }),
    checkServerIdentity: (_host, cert) => {
      // Asked for again: a name may have been taken away while the server took its time.
      const present = context.config.secret.get(tls.validation.secret)?.model;
      if (present === undefined || present.names.length === 0)
        return new Error("nobody is expected");
      const verdict = context.tls.judge(present, cert.raw);
      if (verdict.t === "refused") return new Error(verdict.reason);
      flow.upPeer = verdict.id;
      return undefined;
    },
  });
  session[flowKey] = flow;
  session.on("error", onError);
  session.on("secureConnect", onSecureConnect);
}

function onSecureConnect(this: FlowSocket): void {
  const flow = this[flowKey];
  if (flow?.phase !== "connecting" || flow.upRaw === undefined) return void this.destroy();
  this.on("data", onData);
  this.once("data", onFirstByte);
  this.on("drain", onDrain);
  this.on("end", onEnd);
  this.on("close", onClose);
  established(flow, this);
}

function established(flow: Flow, up: FlowSocket): void {
  if (flow.host !== undefined) noteConnected(flow.host);
  flow.tried = undefined;
  const nowMs = flow.context.clock.monotonicMs();
  if (flow.load !== undefined) noteConnect(flow.load, nowMs - flow.sinceMs);
  flow.sinceMs = nowMs;
  join(flow, up);
}

function onFirstByte(this: FlowSocket): void {
  const flow = this[flowKey];
  if (flow?.load === undefined) return;
  noteFirstByte(flow.load, flow.context.clock.monotonicMs() - flow.sinceMs);
}

function onUpstreamClose(this: FlowSocket, hadError: boolean): void {
  const flow = this[flowKey];
  if (flow === undefined || flow.upRaw !== this) return;
  if (flow.phase === "connecting") failAttempt(flow);
  else if (flow.up === this) onClose.call(this, hadError);
}

/** Another host takes over; the client has been promised nothing yet. */
export function failAttempt(flow: Flow): void {
  const { context, pool, host, upRaw } = flow;
  if (pool === undefined || host === undefined) return closeFlow(flow);
  const isLate = flow.deadlineMs <= context.clock.monotonicMs();
  endLoad(flow, isLate ? "timeout" : flow.isGreetingHost ? "tls" : "refused");
  flow.upRaw = undefined;
  flow.host = undefined;
  host.active -= 1;
  if (upRaw !== undefined) reset(upRaw);
  context.counters.connectFailures += 1;
  if (noteFailure(pool, { host, nowMs: context.clock.monotonicMs() })) {
    context.counters.ejections += 1;
    if (pool.model.closesOnEjection) closeFlowsOf(flow, host);
  }
  const tried = (flow.tried ??= { count: 0, hosts: new Set(), late: new Set() });
  tried.count += 1;
  tried.hosts.add(host);
  if (isLate) tried.late.add(host);
  if (tried.count >= (proxyOf(flow)?.maxConnectAttempts ?? 1)) {
    return refuse(flow, "no-host", { resource: pool.model.name, attempt: tried.count });
  }
  context.counters.retries += 1;
  attempt(flow);
}

function closeFlowsOf({ context }: Flow, host: Host): void {
  for (const flow of context.open) if (flow.host === host) closeFlow(flow);
}
