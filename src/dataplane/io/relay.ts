import type { Flow, FlowSocket } from "./context.ts";
import { flowKey } from "./context.ts";
import { closeFlow, endLoad, enter, releaseHost, resetBoth } from "./flow.ts";

const sharedBytes = 65_536;
const privateBytes = 262_144;
// A stream that fills the shared buffer this often in a row is a bulk transfer.
const busyReads = 4;

/** One read buffer for all upstream sockets of this thread: libuv fills it, the callback empties it. */
const shared: Uint8Array = Buffer.allocUnsafeSlow(sharedBytes);
/** What `nextReadBuffer` returns; set by the read callback that runs just before it. */
let next = shared;

/** `onread.buffer`: called when the socket is made and after each read. */
export function nextReadBuffer(): Uint8Array {
  const buffer = next;
  next = shared;
  return buffer;
}

/**
 * `onread.callback` of plain upstream sockets. The shared buffer is copied from, because every other
 * socket's next read fills it too; a buffer of the flow's own is handed on as it is and replaced when
 * the kernel did not take all of it.
 */
export function onUpstreamRead(this: FlowSocket, bytes: number, buffer: Uint8Array): boolean {
  const flow = this[flowKey];
  if (flow === undefined || flow.up !== this) return true;
  flow.lastByteMs = flow.context.coarseMs;
  flow.heardMs = flow.lastByteMs;
  flow.isAsking = false;
  const view = buffer.subarray(0, bytes);
  const mayGoOn = writeTo(flow.down, buffer === flow.buffer ? view : Buffer.from(view));
  next = bufferAfter(flow, bytes);
  return mayGoOn;
}

function bufferAfter(flow: Flow, bytes: number): Uint8Array {
  if (bytes < sharedBytes / 4) {
    flow.fullReads = 0;
    flow.buffer = undefined;
    return shared;
  }
  if (bytes >= sharedBytes) flow.fullReads += 1;
  // A TLS session always takes its time, so that every read would cost a new buffer.
  if (flow.fullReads < busyReads || flow.down !== flow.raw) return shared;
  if (flow.buffer === undefined || flow.down.writableLength > 0) {
    flow.buffer = Buffer.allocUnsafeSlow(privateBytes);
  }
  return flow.buffer;
}

/** False: the other side must pause. `write` alone says false for any large chunk. */
function writeTo(socket: FlowSocket, chunk: Uint8Array): boolean {
  return socket.write(chunk) || socket.writableLength === 0;
}

/** Wires a socket whose bytes arrive by `data`: accepted ones and all TLS sessions. */
export function onData(this: FlowSocket, chunk: Buffer): void {
  const flow = this[flowKey];
  const other = flow === undefined ? undefined : otherOf(flow, this);
  if (flow === undefined || other === undefined) return;
  flow.lastByteMs = flow.context.coarseMs;
  flow.isAsking = this !== flow.up;
  if (!flow.isAsking) flow.heardMs = flow.lastByteMs;
  if (!writeTo(other, chunk)) this.pause();
}

export function onDrain(this: FlowSocket): void {
  const flow = this[flowKey];
  if (flow?.phase === "open") otherOf(flow, this)?.resume();
}

/** A FIN is passed on as a FIN: the other direction may still have much to say. */
export function onEnd(this: FlowSocket): void {
  const flow = this[flowKey];
  if (flow?.phase === "open") otherOf(flow, this)?.end();
}

export function onClose(this: FlowSocket, hadError: boolean): void {
  const flow = this[flowKey];
  if (flow?.phase !== "open") return;
  const other = otherOf(flow, this);
  if (hadError || !this.readableEnded || !this.writableFinished) {
    flow.context.counters.resets += 1;
    closeFlow(flow, this === flow.down ? "aborted" : "reset");
  } else if (other === undefined || other.destroyed) finish(flow);
}

/** Errors are told by the `close` that follows; without a listener they would end the process. */
export function onError(): void {}

/** Both directions ended cleanly. */
function finish(flow: Flow): void {
  endLoad(flow, "ok");
  enter(flow, "closed");
  releaseHost(flow);
  flow.buffer = undefined;
  // Below a TLS session the TCP socket goes with it; this is for one that did not.
  resetBoth(flow);
}

function otherOf(flow: Flow, socket: FlowSocket): FlowSocket | undefined {
  return socket === flow.down ? flow.up : flow.down;
}

/** Joins the two sides; from here on nothing is retried. */
export function join(flow: Flow, up: FlowSocket): void {
  flow.up = up;
  flow.deadlineMs = Infinity;
  flow.lastByteMs = flow.context.coarseMs;
  flow.heardMs = flow.lastByteMs;
  flow.isAsking = true;
  enter(flow, "open");
  flow.context.counters.connected += 1;
  const { down, head } = flow;
  flow.head = undefined;
  const mayGoOn = head === undefined || writeTo(up, head);
  // A client may have said all it had to say while the upstream was being found.
  if (down.readableEnded) up.end();
  else if (mayGoOn) down.resume();
}
