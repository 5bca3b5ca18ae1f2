import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import type { RenewResponse } from "../../xds/renewal.ts";
import { PeerPace } from "../peer-pace.ts";
import { maxCsrBytes } from "./issue-desk.ts";

export interface RenewalDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
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

/** Replaces certificates by the ones before them, by whatever way the request came. */
export class RenewalDesk {
  readonly #options: RenewalDeskOptions;
  readonly #paces: PeerPace;
  readonly #logs: Admission;

  constructor(options: RenewalDeskOptions) {
    this.#options = options;
    this.#paces = new PeerPace(options.pace ?? defaultPace);
    this.#logs = new Admission(refusalLogs, options.clock.monotonicMs());
  }

  /** `peer`: whom the connection proves. Throws what is to be answered. */
  async answer(peer: Peer | undefined, csr: Uint8Array): Promise<RenewResponse> {
    const { log, clock } = this.#options;
    try {
      return await this.#judge(peer, csr);
    } catch (error) {
      if (this.#logs.take(clock.monotonicMs())) {
        log.warn({ peer: peer?.id, reason: reasonOf(error) }, "Renewal refused");
      }
      throw error;
    }
  }

  async #judge(peer: Peer | undefined, csr: Uint8Array): Promise<RenewResponse> {
    const { clock, renew, onLimit } = this.#options;
    if (peer === undefined) {
      throw new MeshError(
        "MESH_TRUST_IDENTITY_REFUSED",
        "Cannot renew: the connection proved no identity",
      );
    }
    if (csr.length === 0 || csr.length > maxCsrBytes) {
      throw new MeshError("MESH_TRUST_CSR_REFUSED", "Cannot renew: the request holds no sound CSR");
    }
    const waitMs = this.#paces.take(peer.id, clock.monotonicMs());
    if (waitMs > 0) {
      onLimit?.();
      const truth = `this identity asks too often, come again in ${Math.ceil(waitMs / 1000)} s`;
      throw new MeshError("MESH_XDS_LIMIT", `Cannot renew "${peer.id}": ${truth}`);
    }
    return await renew(peer, csr);
  }
}
