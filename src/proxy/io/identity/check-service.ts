import { type Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { Peer } from "../../../mesh/ports.ts";
import {
  type CheckRequest,
  type CheckResponse,
  checkPath,
  decodeCheckRequest,
  encodeCheckResponse,
} from "../../../xds/checking.ts";

// Each renewal is two or three handshakes and the proxy's whole configuration. Nothing waits for it but the rotation.
const renewalsPerSecond = 10;
// A fleet of ten thousand takes a quarter of an hour; whoever asks again meanwhile draws again.
const slowestMs = 900_000;

/** How long the early renewals of so many proxies should take. */
export function renewWithinMs(proxies: number): number {
  return Math.min((proxies / renewalsPerSecond) * 1000, slowestMs);
}

/** Serves `isthmus.identity.v1.IdentityService/Check`: an answer from memory, for whoever has an SVID. */
export function registerChecks(
  server: Server,
  options: {
    readonly peerOf: (remote: string) => Peer | undefined;
    /** Whether the peer, which trusts the roots of that digest, should renew its SVID before its time. */
    readonly mustRenew: (peer: Peer, bundleDigest: string) => boolean;
    /** How many proxies may have to. */
    readonly proxies: () => number;
  },
): void {
  server.register<CheckRequest, CheckResponse>(
    checkPath,
    (call: ServerUnaryCall<CheckRequest, CheckResponse>, reply: sendUnaryData<CheckResponse>) => {
      const peer = options.peerOf(call.getPeer());
      if (peer === undefined) {
        return reply({
          code: status.UNAUTHENTICATED,
          details: "the connection proved no identity",
        });
      }
      const mustRenew = options.mustRenew(peer, call.request.bundleDigest);
      if (!mustRenew) return reply(null, { mustRenew });
      reply(null, { mustRenew, withinMs: renewWithinMs(options.proxies()) });
    },
    encodeCheckResponse,
    decoded,
    "unary",
  );
}

/** Nothing instead of a throw: the library would answer INTERNAL to what is the caller's fault. */
function decoded(bytes: Buffer): CheckRequest {
  try {
    return decodeCheckRequest(bytes);
  } catch {
    return { bundleDigest: "" };
  }
}
