import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, Log } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import type { IdentityProof, IssueRequest, IssueResponse } from "../../xds/issuing.ts";
import type { RenewResponse } from "../../xds/renewal.ts";
import { PeerPace } from "../peer-pace.ts";

/** All that a proof may be judged by. */
export interface Claimant {
  readonly proof: IdentityProof;
  readonly csr: Uint8Array;
  /** IP literal that the request came from. */
  readonly address: string;
  /** Empty: the caller names none. */
  readonly workloadGroup: string;
}

/** Whose identity a proof stands for. */
export interface Proven {
  readonly id: SpiffeId;
  /** `namespace/name` that the proof is bound to; absent: to none. */
  readonly workloadGroup?: string;
  /** Of a join token its id, for the log: who looks after a leaked one asks what it bought. */
  readonly name?: string;
  /** Takes what of the proof can be used up; called once nothing else speaks against the request. */
  readonly take?: () => Promise<void>;
}

export interface IssueDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Throws MESH_TOKEN_…, MESH_JOIN_TOKEN_…, MESH_TRUST_CSR_REFUSED and MESH_ID_INVALID. */
  readonly prove: (claimant: Claimant) => Promise<Proven>;
  /** Issues a certificate for the identity and the CSR's key. Throws MESH_TRUST_…. */
  readonly issue: (id: SpiffeId, csr: Uint8Array) => Promise<RenewResponse>;
  /** How often one identity, and one address that proves nothing, may ask. */
  readonly paces?: { readonly identity: AdmissionLimits; readonly source: AdmissionLimits };
  readonly onAnswer?: (result: IssueResult) => void;
}

/** What became of a request: `limited` may come again, `unproven` could not be judged. */
export type IssueResult = "issued" | "refused" | "limited" | "unproven" | "failed";

// As renewals: a deployment of a thousand replicas may start at once under one identity, and behind one
// address where pods reach the agent through their node.
const defaultPaces = {
  identity: { perSecond: 20, burst: 1000 },
  source: { perSecond: 20, burst: 1000 },
} as const;
// Judging a service-account token may mean to ask the API server, which has its own limits; a second of them waits
// here. A join token is judged on this machine.
const maxAtOnce = 128;
const refusalLogs = { perSecond: 1, burst: 20 };
/** A P-256 CSR takes 300 bytes, an RSA-4096 one 1,700. */
export const maxCsrBytes: number = 16 * 1024;

/** Issues first certificates, by whatever way the request came: limits, log and counters are the same. */
export class IssueDesk {
  readonly #options: IssueDeskOptions;
  readonly #perIdentity: PeerPace;
  readonly #perSource: PeerPace;
  readonly #logs: Admission;
  #atOnce = 0;

  constructor(options: IssueDeskOptions) {
    const { identity, source } = options.paces ?? defaultPaces;
    this.#options = options;
    this.#perIdentity = new PeerPace(identity);
    this.#perSource = new PeerPace(source);
    this.#logs = new Admission(refusalLogs, options.clock.monotonicMs());
  }

  /** `address`: IP literal. Throws what is to be answered. */
  async answer(request: IssueRequest, address: string): Promise<IssueResponse> {
    const { log, clock, onAnswer } = this.#options;
    try {
      const { id, name, response } = await this.#judge(request, address);
      onAnswer?.("issued");
      log.info({ id, remote: address, name }, "SVID issued");
      return response;
    } catch (error) {
      onAnswer?.(resultOf(error));
      if (this.#logs.take(clock.monotonicMs())) {
        log.warn({ remote: address, reason: reasonOf(error) }, "SVID refused");
      }
      throw error;
    }
  }

  async #judge(
    { csr, proof, workloadGroup = "" }: IssueRequest,
    address: string,
  ): Promise<Pick<Proven, "id" | "name"> & { readonly response: IssueResponse }> {
    const { clock, prove, issue } = this.#options;
    if (csr.length === 0 || csr.length > maxCsrBytes) {
      throw refusal("MESH_TRUST_CSR_REFUSED", "the request holds no sound CSR");
    }
    if (proof === undefined) throw refusal("MESH_TOKEN_MALFORMED", "it proves nothing by a token");
    paced(this.#perSource.take(address, clock.monotonicMs()), "this address");
    const claimant = { proof, csr, address, workloadGroup };
    const proven = await (proof.t === "join-token"
      ? prove(claimant)
      : this.#inTurn(() => prove(claimant)));
    const { id } = proven;
    paced(this.#perIdentity.take(id, clock.monotonicMs()), `"${id}"`);
    await proven.take?.();
    const issued = await issue(id, csr);
    const response = { ...issued, workloadGroup: proven.workloadGroup ?? "" };
    return { ...proven, response };
  }

  async #inTurn(prove: () => Promise<Proven>): Promise<Proven> {
    if (this.#atOnce >= maxAtOnce) {
      throw refusal("MESH_XDS_LIMIT", "too many ask at once, come again in 1 s");
    }
    this.#atOnce += 1;
    try {
      return await prove();
    } finally {
      this.#atOnce -= 1;
    }
  }
}

function resultOf(error: unknown): IssueResult {
  if (!(error instanceof MeshError)) return "failed";
  if (error.code === "MESH_XDS_LIMIT") return "limited";
  const isUnproven =
    error.code === "MESH_TOKEN_UNPROVEN" || error.code === "MESH_JOIN_TOKEN_UNPROVEN";
  return isUnproven ? "unproven" : "refused";
}

function paced(waitMs: number, who: string): void {
  if (waitMs === 0) return;
  const seconds = Math.ceil(waitMs / 1000);
  throw refusal("MESH_XDS_LIMIT", `${who} asks too often, come again in ${seconds} s`);
}

function refusal(
  code: "MESH_TRUST_CSR_REFUSED" | "MESH_TOKEN_MALFORMED" | "MESH_XDS_LIMIT",
  truth: string,
): MeshError {
  return new MeshError(code, `Cannot issue: ${truth}`);
}
