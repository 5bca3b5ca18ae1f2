import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import type { HostPort } from "../../mesh/address.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import { keyExchangeList } from "../../mesh/key-exchanges.ts";
import { peerChain } from "../../mesh/peer-chain.ts";
import type { Clock, Identity, VerifyPeer } from "../../mesh/ports.ts";

export interface HandshakeOptions {
  readonly identity: Identity;
  readonly sni: string;
  /** Who must answer. */
  readonly expected: SpiffeId;
  readonly verifyPeer: VerifyPeer;
  readonly clock: Clock;
  /** After so long the connection is given up. */
  readonly maxMs: number;
  readonly signal: AbortSignal;
  /** TCP stands, and the hello is on its way. */
  readonly onConnected?: () => void;
}

export type Handshake =
  | FinishedHandshake
  /** Why there is none, as a sentence about the peer. */
  | { readonly t: "failed"; readonly reason: string };

interface FinishedHandshake {
  readonly t: "finished";
  readonly tookMs: number;
  /**
   * From the hello to the end of the handshake: one round trip in TLS 1.3, and both sides' arithmetic.
   * Not the TCP connect: a load balancer that ends TCP answers that one from next door.
   */
  readonly rttMs: number;
}

/**
 * Completes a TLS 1.3 handshake with the full-size hybrid hello: a hung process accepts TCP, and a
 * small hello passes where a large one does not. Never rejects.
 */
export function shakeHands(address: HostPort, options: HandshakeOptions): Promise<Handshake> {
  const { clock } = options;
  const startMs = clock.monotonicMs();
  const socket = connectTo(address, options);
  let helloMs = startMs;
  socket.once("connect", () => {
    helloMs = clock.monotonicMs();
    options.onConnected?.();
  });
  return new Promise<Handshake>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", abort);
    };
    const fail = (reason: string): void => {
      end();
      socket.destroy();
      resolve({ t: "failed", reason });
    };
    const abort = (): void => fail("the probe was called off");
    const timer = setTimeout(() => fail("it does not finish its handshake"), options.maxMs);
    options.signal.addEventListener("abort", abort);
    socket.on("error", (error) => fail(failureOf(error)));
    socket.once("close", () => fail("it closed the connection"));
    socket.once("secureConnect", () => {
      const nowMs = clock.monotonicMs();
      const refusal = refusalOf(socket, options);
      if (refusal !== undefined) return fail(refusal);
      end();
      resolve({ t: "finished", tookMs: nowMs - startMs, rttMs: nowMs - helloMs });
      farewell(socket);
    });
  });
}

// Made once for each identity: reading its key and certificates costs a third of a handshake, and a mesh of
// 50 members has 50 of these a second.
const contexts = new WeakMap<Identity, SecureContext>();

function contextOf(identity: Identity): SecureContext {
  const known = contexts.get(identity);
  if (known !== undefined) return known;
  const context = createSecureContext({
    cert: identity.certChainPem,
    key: identity.privateKeyPem.reveal(),
    // VerifyPeer alone judges the chain: OpenSSL's own verdict would cost as much again and count for nothing.
    ca: [],
    minVersion: "TLSv1.3",
    ecdhCurve: keyExchangeList,
  });
  contexts.set(identity, context);
  return context;
}

function connectTo(address: HostPort, options: HandshakeOptions): TLSSocket {
  return connect({
    host: address.host,
    port: address.port,
    servername: options.sni,
    secureContext: contextOf(options.identity),
    // The peer has a SPIFFE ID and no host name: VerifyPeer judges the chain, below.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
}

function refusalOf(socket: TLSSocket, options: HandshakeOptions): string | undefined {
  const verdict = options.verifyPeer(peerChain(socket), { nowMs: options.clock.nowMs() });
  if (verdict.t === "refused") return verdict.reason;
  const { id } = verdict.peer;
  return id === options.expected ? undefined : `it proves to be ${id}, not ${options.expected}`;
}

const failures: Readonly<Record<string, string>> = {
  ECONNREFUSED: "it refuses the connection",
  ECONNRESET: "it resets the connection",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
  ETIMEDOUT: "it does not take the connection",
};

function failureOf(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  if (failures[code] !== undefined) return `${failures[code]} (${code})`;
  // OpenSSL's word for it; the message around it is of lines in its sources.
  if ("reason" in error) return `TLS fails: ${String(error.reason)}`;
  return error.message;
}

// The verdict is in; whatever the peer still says is read and thrown away, so that it can end well.
const farewellMs = 1_000;

function farewell(socket: TLSSocket): void {
  const timer = setTimeout(() => socket.destroy(), farewellMs);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
  socket.resume();
  socket.end();
}
