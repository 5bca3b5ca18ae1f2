import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import {
  decodeRenewRequest,
  encodeRenewResponse,
  type RenewRequest,
  type RenewResponse,
  renewPath,
} from "../../xds/renewal.ts";
import { PeerPace } from "../peer-pace.ts";
import { refusalOf } from "./identity-refusal.ts";

export interface RenewalOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly peerOf: (remote: string) => Peer | undefined;
  /** Issues a certificate for the peer's own identity and the CSR's key. Throws MESH_TRUST_…. */
  readonly renew: (peer: Peer, csr: Uint8Array) => Promise<RenewResponse>;
  /** How often one identity may ask. */
  readonly pace?: AdmissionLimits;
  /** Called when an identity asks more often. */
  readonly onLimit?: () => void;
}

// A deployment of a thousand replicas may restart at once under one identity. From then on one signature
// takes about a millisecond: whoever asks without end costs a fiftieth of a core.
const defaultPace: AdmissionLimits = { perSecond: 20, burst: 1000 };

// A launcher whose renewal is refused tries again and again.
const refusalLogs = { perSecond: 1, burst: 20 };

/** Serves `isthmus.identity.v1.IdentityService/Renew`. */
export function registerRenewal(server: Server, options: RenewalOptions): void {
  const { clock, log, peerOf } = options;
  const paces = new PeerPace(options.pace ?? defaultPace);
  const logs = new Admission(refusalLogs, clock.monotonicMs());
  const refuse = (error: unknown, remote: string): void => {
    if (!logs.take(clock.monotonicMs())) return;
    log.warn({ peer: peerOf(remote)?.id, reason: reasonOf(error) }, "Renewal refused");
  };
  server.register<RenewRequest, RenewResponse>(
    renewPath,
    (call: ServerUnaryCall<RenewRequest, RenewResponse>, reply: sendUnaryData<RenewResponse>) => {
      void answer(call, { ...options, paces }).then(
        (response) => reply(null, response),
        (error: unknown) => {
          refuse(error, call.getPeer());
          reply(refusalOf(error));
        },
      );
    },
    encodeRenewResponse,
    decoded,
    "unary",
  );
}

async function answer(
  call: ServerUnaryCall<RenewRequest, RenewResponse>,
  options: RenewalOptions & { readonly paces: PeerPace },
): Promise<RenewResponse> {
  const peer = options.peerOf(call.getPeer());
  if (peer === undefined) {
    throw new MeshError(
      "MESH_TRUST_IDENTITY_REFUSED",
      "Cannot renew: the connection proved no identity",
    );
  }
  if (call.request.csr.length === 0) {
    throw new MeshError("MESH_TRUST_CSR_REFUSED", "Cannot renew: the request holds no sound CSR");
  }
  const waitMs = options.paces.take(peer.id, options.clock.monotonicMs());
  if (waitMs > 0) {
    options.onLimit?.();
    const truth = `this identity asks too often, come again in ${Math.ceil(waitMs / 1000)} s`;
    throw new MeshError("MESH_XDS_LIMIT", `Cannot renew "${peer.id}": ${truth}`);
  }
  return await options.renew(peer, call.request.csr);
}

// A P-256 CSR takes 300 bytes, an RSA-4096 one 1,700.
const maxCsrBytes = 16 * 1024;

const nothing: RenewRequest = { csr: new Uint8Array() };

/** Nothing instead of a throw: the library would answer INTERNAL to what is the caller's fault. */
function decoded(bytes: Buffer): RenewRequest {
  try {
    const request = decodeRenewRequest(bytes);
    return request.csr.length <= maxCsrBytes ? request : nothing;
  } catch {
    return nothing;
  }
}
