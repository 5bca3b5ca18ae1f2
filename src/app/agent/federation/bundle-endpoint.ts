import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server, type ServerOptions } from "node:https";
import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { trustDomainOf } from "../../../mesh/ids.ts";
import type { IdentitySource, Log } from "../../../mesh/ports.ts";
import type { TrustedCharter } from "../../../trust/charter.ts";
import { readKeyFile, readText } from "../../../trust/io/safe-files.ts";
import { jwksOf } from "../../../trust/jwks.ts";
import type { BundleEndpointConfig } from "../../config/config.ts";

export interface RunningBundleEndpoint extends AsyncDisposable {
  /** With the port that was really bound. */
  readonly address: HostPort;
  /** Reads the certificate of `web` again. Call now and then: others renew it. */
  readonly look: () => Promise<void>;
}

// Answers are a few kB out of memory: whoever is slower than this holds a socket for nothing.
const timeoutMs = 10_000;
const maxConnections = 256;
const maxHeaderBytes = 4096;

/**
 * Serves the mesh's roots to other trust domains, without asking who they are: `/bundle` for the own member's, and
 * `/bundle/<trust domain>` for any member's that the charter does not deny. Source: SPIFFE Federation, section 5.
 * Throws MESH_LISTEN_FAILED, MESH_FILE_UNREADABLE and MESH_TRUST_KEY_FILE_UNSAFE.
 */
export async function serveBundles(
  config: BundleEndpointConfig,
  parts: {
    readonly ownTrustDomain: string;
    readonly charter: () => TrustedCharter;
    /** Shown to callers where the configuration has no certificate of the web. */
    readonly identity: IdentitySource;
    readonly log: Log;
  },
): Promise<RunningBundleEndpoint> {
  const { identity, log } = parts;
  const { listen, web } = config;
  const shown = async (): Promise<ServerOptions> =>
    web === undefined
      ? {
          cert: identity.current().certChainPem,
          key: identity.current().privateKeyPem.reveal(),
        }
      : { cert: await readText(web.certFile), key: (await readKeyFile(web.keyFile)).reveal() };
  const server = createServer(
    {
      ...(await shown()),
      // Mozilla's intermediate level: callers are of any make.
      minVersion: "TLSv1.2",
      maxHeaderSize: maxHeaderBytes,
      requestTimeout: timeoutMs,
      headersTimeout: timeoutMs,
      handshakeTimeout: timeoutMs,
      connectionsCheckingInterval: 2000,
    },
    (request, response) => answer(request, response, { config, ...parts }),
  );
  server.maxConnections = maxConnections;
  server.setTimeout(timeoutMs, (socket) => socket.destroy());
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const renew = async (): Promise<void> => {
    try {
      server.setSecureContext(await shown());
    } catch (thrown) {
      log.warn({ reason: reasonOf(thrown) }, "Bundle endpoint keeps its certificate");
    }
  };
  const cancel = identity.onChange(() => void renew());
  await listening(server, listen);
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return {
    address: { host: listen.host, port },
    look: async () => {
      if (web !== undefined) await renew();
    },
    [Symbol.asyncDispose]: async () => {
      cancel();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function listening(server: Server, { host, port }: HostPort): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  await promise.catch((cause: unknown) => {
    const where = formatHostPort({ host, port });
    const truth = `Cannot listen on ${where}: ${reasonOf(cause)}`;
    throw new MeshError("MESH_LISTEN_FAILED", truth, { cause });
  });
  server.removeListener("error", reject);
}

const bundlePath = /^\/bundle(?:\/([a-z0-9._-]{1,255}))?$/;

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: {
    readonly config: BundleEndpointConfig;
    readonly ownTrustDomain: string;
    readonly charter: () => TrustedCharter;
  },
): void {
  const { ownTrustDomain, config } = options;
  const { charter, bundle } = options.charter();
  const path = bundlePath.exec(request.url ?? "");
  const wanted = path?.[1] ?? ownTrustDomain;
  const isMember = charter.members.some(
    ({ name, state }) => state !== "denied" && trustDomainOf(name, charter.mesh) === wanted,
  );
  if (request.method !== "GET" || path === null || !isMember)
    return void response.writeHead(404).end();
  const text = JSON.stringify(
    // The charter's number rises with each change of its roots.
    jwksOf(bundle, {
      sequence: charter.number,
      refreshHintSeconds: Math.round(config.refreshHintMs / 1000),
    }),
  );
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  response.end(text);
}
