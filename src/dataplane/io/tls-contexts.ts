import { constants, hash } from "node:crypto";
import type { SecureContext, TLSSocket } from "node:tls";
import { createSecureContext, createServer, type Server } from "node:tls";
import type { SpiffeId } from "../../mesh/ids.ts";
import { keyExchangeList } from "../../mesh/key-exchanges.ts";
import type { IdentitySource } from "../../mesh/ports.ts";
import { isMatch } from "../config/common.ts";
import type { ValidationModel } from "../config/model.ts";

/** Reads the one URI name out of a certificate (DER); undefined when there is none or more than one. */
export type SpiffeIdOf = (leafDer: Uint8Array) => SpiffeId | undefined;

/** Judges a whole chain (DER, leaf first) by the roots of the leaf's own trust domain. */
export type VerifyChain = (
  chain: readonly Uint8Array[],
  options: {
    readonly domains: ReadonlyMap<string, string>;
    /** Of this process: its mesh is known by it. */
    readonly self: SpiffeId;
  },
) => PeerVerdict;

/** How every TLS socket of this engine is set up. */
export function secureContextFor(identity: IdentitySource, bundlePem: string): SecureContext {
  const { certChainPem, privateKeyPem } = identity.current();
  return createSecureContext({
    cert: certChainPem,
    key: privateKeyPem.reveal(),
    ...trusting(bundlePem),
  });
}

/** Of a client that has no certificate yet. */
export function unprovenContext(bundlePem: string): SecureContext {
  return createSecureContext(trusting(bundlePem));
}

/** Of a client that asks what it does not believe yet. */
export function untrustingContext(): SecureContext {
  return createSecureContext({ minVersion: "TLSv1.3", ecdhCurve: keyExchangeList });
}

function trusting(bundlePem: string): { ca: string; minVersion: "TLSv1.3"; ecdhCurve: string } {
  return { ca: bundlePem, minVersion: "TLSv1.3", ecdhCurve: keyExchangeList };
}

export type PeerVerdict =
  | { readonly t: "ok"; readonly id: SpiffeId }
  | { readonly t: "refused"; readonly reason: string };

/** TLS contexts by bundle; all are replaced when the own identity is. Live connections keep theirs. */
export class TlsContexts {
  readonly #identity: IdentitySource;
  readonly #spiffeIdOf: SpiffeIdOf;
  readonly #onSecure: (socket: TLSSocket) => void;
  readonly #verifyChain: VerifyChain | undefined;
  readonly #clients = new Map<string, SecureContext>();
  /** By protocols and bundle. */
  readonly #servers = new Map<string, { readonly server: Server; readonly bundlePem: string }>();
  readonly #ids = new Map<string, SpiffeId>();
  readonly #unsubscribe: () => void;

  constructor(options: {
    readonly identity: IdentitySource;
    readonly spiffeIdOf: SpiffeIdOf;
    readonly onSecure: (socket: TLSSocket) => void;
    /** Absent: whoever is to be judged by roots of several trust domains is refused. */
    readonly verifyChain?: VerifyChain;
  }) {
    this.#identity = options.identity;
    this.#spiffeIdOf = options.spiffeIdOf;
    this.#onSecure = options.onSecure;
    this.#verifyChain = options.verifyChain;
    this.#unsubscribe = options.identity.onChange(() => this.#renew());
  }

  client({ bundlePem }: ValidationModel): SecureContext {
    const known = this.#clients.get(bundlePem);
    if (known !== undefined) return known;
    const context = secureContextFor(this.#identity, bundlePem);
    bound(this.#clients, maxBundles);
    this.#clients.set(bundlePem, context);
    return context;
  }

  /** A TLS server without a port: accepted sockets are handed to it by its `connection` event. */
  server({ bundlePem, domains }: ValidationModel, alpn: readonly string[]): Server {
    const key = [...alpn, bundlePem].join("\n");
    const known = this.#servers.get(key)?.server;
    if (known !== undefined) return known;
    const server = createServer({
      ...this.#serverOptions(bundlePem),
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
      requestCert: true,
      // With roots of several trust domains OpenSSL cannot say which may speak for whom: `judge` does.
      rejectUnauthorized: domains === undefined,
      // Bounds run in the engine's own sweep.
      handshakeTimeout: 3_600_000,
      allowHalfOpen: true,
    });
    server.on("secureConnection", this.#onSecure);
    // The socket's own close tells the flow; without a listener the error would end the process.
    server.on("tlsClientError", (_error, socket) => socket.destroy());
    bound(this.#servers, maxBundles);
    this.#servers.set(key, { server, bundlePem });
    return server;
  }

  /** Whether a caller's chain, as it sent it, and its names fit. */
  judgeCaller(validation: ValidationModel, chain: readonly Uint8Array[]): PeerVerdict {
    const { domains } = validation;
    const [leaf] = chain;
    if (leaf === undefined) return { t: "refused", reason: "it showed no certificate" };
    if (domains === undefined) return this.judge(validation, leaf);
    const { id: self } = this.#identity.current();
    const verdict = this.#verifyChain?.(chain, { domains, self });
    if (verdict === undefined) return { t: "refused", reason: "nobody judges its chain here" };
    if (verdict.t === "refused" || isNamed(validation, verdict.id)) return verdict;
    return { t: "refused", reason: `${verdict.id} is not expected here` };
  }

  /** Whether the names fit. The chain was judged by TLS itself. */
  judge(validation: ValidationModel, leafDer: Uint8Array): PeerVerdict {
    if (validation.domains !== undefined) {
      return { t: "refused", reason: "roots of several trust domains are for callers alone" };
    }
    const id = this.#idOf(leafDer);
    if (id === undefined)
      return { t: "refused", reason: "the certificate holds no single SPIFFE ID" };
    if (isNamed(validation, id)) return { t: "ok", id };
    return { t: "refused", reason: `${id} is not expected here` };
  }

  close(): void {
    this.#unsubscribe();
    this.#clients.clear();
    this.#servers.clear();
  }

  /** The same peers come back with the same certificates; reading one costs as much as a handshake. */
  #idOf(leafDer: Uint8Array): SpiffeId | undefined {
    const key = hash("sha256", leafDer, "base64");
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#spiffeIdOf(leafDer);
    if (id === undefined) return undefined;
    bound(this.#ids, maxIds);
    this.#ids.set(key, id);
    return id;
  }

  #serverOptions(bundlePem: string): {
    cert: string;
    key: string;
    ca: string | string[];
    minVersion: "TLSv1.3";
    ecdhCurve: string;
    secureOptions: number;
  } {
    const { certChainPem, privateKeyPem } = this.#identity.current();
    const key = privateKeyPem.reveal();
    return {
      cert: certChainPem,
      key,
      // None at all, not even the system's, lets Node show the whole chain.
      ca: bundlePem === "" ? [] : bundlePem,
      minVersion: "TLSv1.3",
      ecdhCurve: keyExchangeList,
      // A resumed session asks for no certificate, and each gives a new ticket: it would outlive both
      // the certificate and its issuer.
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
  }

  #renew(): void {
    this.#clients.clear();
    for (const { server, bundlePem } of this.#servers.values())
      server.setSecureContext(this.#serverOptions(bundlePem));
  }
}

/** Any listed name is enough; no names: whoever the bundle vouches for (RBAC judges then). */
export function isNamed({ names }: ValidationModel, id: SpiffeId): boolean {
  return names.length === 0 || names.some((name) => isMatch(name, id));
}

// Old bundles leave no trace; more than a few at once only ever means a rotation.
const maxBundles = 16;
const maxIds = 4_096;

function bound(map: Map<string, unknown>, max: number): void {
  const [oldest] = map.keys();
  if (map.size >= max && oldest !== undefined) map.delete(oldest);
}
