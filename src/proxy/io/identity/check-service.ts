import { type Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { Peer } from "../../../mesh/ports.ts";
import {
  type CheckRequest,
  type CheckResponse,
  checkPath,
  decodeCheckRequest,
  encodeCheckResponse,
} from "../../../xds/checking.ts";

/** Serves `isthmus.identity.v1.IdentityService/Check`: an answer from memory, for whoever has an SVID. */
export function registerChecks(
  server: Server,
  options: {
    readonly peerOf: (remote: string) => Peer | undefined;
    /** Whether the peer, which trusts the roots of that digest, should renew its SVID before its time. */
    readonly mustRenew: (peer: Peer, bundleDigest: string) => boolean;
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
      reply(null, { mustRenew: options.mustRenew(peer, call.request.bundleDigest) });
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
