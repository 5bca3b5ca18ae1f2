import { type Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import {
  type AnnounceRequest,
  type AnnounceResponse,
  announcePath,
  decodeAnnounceRequest,
  encodeAnnounceResponse,
} from "../../xds/announce.ts";
import type { Decoded } from "../../xds/wire-fields.ts";

export interface AnnounceOptions {
  /** Every gateway of this member has it; nobody else is heard. */
  readonly gatewayId: SpiffeId;
  readonly peerOf: (remote: string) => Peer | undefined;
  readonly announced: (request: AnnounceRequest, signal: AbortSignal) => Promise<AnnounceResponse>;
  readonly clock: Clock;
  readonly log: Log;
}

// A hundred gateways that start at once, and then each every five seconds.
const pace: AdmissionLimits = { perSecond: 50, burst: 200 };

type Call = ServerUnaryCall<Decoded<AnnounceRequest>, AnnounceResponse>;

/** Serves `isthmus.gateway.v1.GatewayService/Announce`. */
export function registerAnnounce(server: Server, options: AnnounceOptions): void {
  const admission = new Admission(pace, options.clock.monotonicMs());
  server.register<Decoded<AnnounceRequest>, AnnounceResponse>(
    announcePath,
    (call: Call, reply: sendUnaryData<AnnounceResponse>) => {
      if (options.peerOf(call.getPeer())?.id !== options.gatewayId) {
        const details = "only gateways of this member announce themselves";
        return reply({ code: status.PERMISSION_DENIED, details });
      }
      if (!admission.take(options.clock.monotonicMs())) {
        return reply({ code: status.RESOURCE_EXHAUSTED, details: "too many announcements" });
      }
      if (call.request.t === "refused") {
        return reply({ code: status.INVALID_ARGUMENT, details: call.request.reason });
      }
      const gone = new AbortController();
      call.once("cancelled", () => gone.abort(new Error("the gateway no longer waits")));
      void options.announced(call.request.value, gone.signal).then(
        (response) => reply(null, response),
        (thrown: unknown) => {
          options.log.error({ err: thrown, reason: reasonOf(thrown) }, "Announcement failed");
          reply({ code: status.INTERNAL, details: "the agent failed" });
        },
      );
    },
    encodeAnnounceResponse,
    decodeAnnounceRequest,
    "unary",
  );
}
