import { type RequestOptions, request } from "node:https";
import type { TLSSocket } from "node:tls";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { BundleEndpoint } from "../../../mesh/federation.ts";
import type { TrustDomain } from "../../../mesh/ids.ts";
import { peerChain } from "../../../mesh/peer-chain.ts";
import { type RootsOf, verifyByDomain } from "../../../trust/federation/foreign-verifier.ts";
import { responseText } from "../../../trust/io/response-text.ts";
import { type ForeignBundle, parseJwks } from "../../../trust/jwks.ts";

export interface FetchOptions {
  /** By which an `https_spiffe` endpoint is judged: its trust domain may be the one that is asked about. */
  readonly rootsOf: RootsOf;
  readonly isOwn: (trustDomain: TrustDomain) => boolean;
  readonly nowMs: number;
  readonly signal: AbortSignal;
  /** PEM; the authorities of the web. Default: those that Node knows. */
  readonly webRoots?: string;
}

const timeoutMs = 10_000;
const maxBytes = 256 * 1024;

/**
 * Fetches what a trust domain says of itself. Redirections are not followed: an operator writes down where the
 * bundle is. Throws MESH_UNREACHABLE and MESH_TRUST_CHAIN_REFUSED. Source: SPIFFE Federation, section 5.
 */
export async function fetchBundle(
  endpoint: BundleEndpoint,
  options: FetchOptions,
): Promise<ForeignBundle> {
  let text: string;
  try {
    text = await fetchText(endpoint, options);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    const truth = `Cannot fetch bundle from ${endpoint.url}: ${reasonOf(cause)}`;
    throw new MeshError("MESH_UNREACHABLE", truth, { cause });
  }
  return parseJwks(text);
}

function fetchText(endpoint: BundleEndpoint, options: FetchOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  const asking = request(endpoint.url, { ...tlsFor(endpoint, options), signal, agent: false });
  asking.on("error", reject);
  asking.on("socket", (socket) => {
    if (endpoint.profile === "https_web") return void asking.end();
    // Nothing is read, and the path is not told, before the server has proven who it is.
    socket.once("secureConnect", () => {
      const reason = peerBroken(socket as TLSSocket, { endpoint, ...options });
      if (reason === undefined) asking.end();
      else asking.destroy(new Error(reason));
    });
  });
  asking.on("response", (response) => {
    responseText(response, maxBytes).then(resolve, reject);
  });
  return promise;
}

function tlsFor(endpoint: BundleEndpoint, { webRoots }: FetchOptions): RequestOptions {
  const common = { minVersion: "TLSv1.2" } as const;
  if (endpoint.profile === "https_web") {
    return webRoots === undefined ? common : { ...common, ca: webRoots };
  }
  // Judged by us, by the roots of the endpoint's own trust domain; with none at all Node shows the whole chain.
  return { ...common, ca: [], rejectUnauthorized: false };
}

/** Why whoever answers is not the endpoint. */
function peerBroken(
  socket: TLSSocket,
  options: FetchOptions & {
    readonly endpoint: BundleEndpoint & { readonly profile: "https_spiffe" };
  },
): string | undefined {
  const verdict = verifyByDomain(peerChain(socket), options);
  if (verdict.t === "refused") return verdict.reason;
  const { id } = options.endpoint;
  return verdict.id === id ? undefined : `the server is ${verdict.id}, not ${id}`;
}
