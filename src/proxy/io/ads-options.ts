import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import type { AdmissionLimits } from "../../xds/admission.ts";
import type { DeltaLimits } from "../../xds/delta.ts";
import type { NodeClaim } from "../../xds/node.ts";
import type { PeerLimits } from "../peer-limits.ts";
import type { Admitted, AdsObserver } from "./ads-stream.ts";

/** One way into the agent, and what is known of whoever comes through it. */
export interface Door {
  /** Who stands behind a connection, by `call.getPeer()`; undefined: nobody we know. */
  readonly peerOf: (remote: string) => Peer | undefined;
  /** Without it a stream from nobody is refused. For benchmarks and local sockets. */
  readonly allowsAnonymous?: boolean;
}

export interface AdsOptions extends Door {
  readonly clock: Clock;
  readonly log: Log;
  /** Decides what a new stream sees. The node is a claim; the peer is proven. */
  readonly admit: (node: NodeClaim, peer: Peer | undefined) => Admitted;
  /** Streams wait until then; call `wake()` when it turns true. */
  readonly isWarm: () => boolean;
  /** Destroys a connection that takes no bytes: a status could not reach its client either. */
  readonly cut?: (remote: string) => void;
  readonly observer?: AdsObserver;
  readonly admission?: Partial<AdmissionLimits>;
  readonly limits?: Partial<DeltaLimits>;
  /** Streams that one peer may hold open, waiting ones included. */
  readonly peerLimits?: Partial<PeerLimits>;
  /** Names that one peer may ask for; each that it repeats counts again. */
  readonly namePace?: {
    readonly perIdentity: AdmissionLimits;
    readonly perCertificate: AdmissionLimits;
  };
}
