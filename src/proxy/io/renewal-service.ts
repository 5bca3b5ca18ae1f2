import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { Peer } from "../../mesh/ports.ts";
import {
  decodeRenewRequest,
  encodeRenewResponse,
  type RenewRequest,
  type RenewResponse,
  renewPath,
} from "../../xds/renewal.ts";
import type { RenewalDesk } from "../identity/renewal-desk.ts";
import { refusalOf } from "./identity-refusal.ts";

/** Serves `isthmus.identity.v1.IdentityService/Renew`. */
export function registerRenewal(
  server: Server,
  options: {
    readonly desk: RenewalDesk;
    readonly peerOf: (remote: string) => Peer | undefined;
  },
): void {
  const { desk, peerOf } = options;
  server.register<RenewRequest, RenewResponse>(
    renewPath,
    (call: ServerUnaryCall<RenewRequest, RenewResponse>, reply: sendUnaryData<RenewResponse>) => {
      void desk.answer(peerOf(call.getPeer()), call.request.csr).then(
        (response) => reply(null, response),
        (error: unknown) => reply(refusalOf(error)),
      );
    },
    encodeRenewResponse,
    decoded,
    "unary",
  );
}

const nothing: RenewRequest = { csr: new Uint8Array() };

/** Nothing instead of a throw: the library would answer INTERNAL to what is the caller's fault. */
function decoded(bytes: Buffer): RenewRequest {
  try {
    return decodeRenewRequest(bytes);
  } catch {
    return nothing;
  }
}
