import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, Log } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import {
  decodeIssueRequest,
  type IdentityProof,
  type IssueRequest,
  issuePath,
} from "../../xds/issuing.ts";
import { encodeRenewResponse, type RenewResponse } from "../../xds/renewal.ts";
import { PeerPace } from "../peer-pace.ts";
import { refusalOf } from "./identity-refusal.ts";

export interface IssueOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Whose identity the proof stands for. Throws MESH_TOKEN_… and MESH_ID_INVALID. */
  readonly prove: (proof: IdentityProof) => Promise<SpiffeId>;
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
// Judging one may mean to ask the API server, which has its own limits; a second of them waits here.
const maxAtOnce = 128;
const refusalLogs = { perSecond: 1, burst: 20 };

/** Serves `isthmus.identity.v1.IdentityService/Issue`, to callers that have no certificate. */
export function registerIssuing(server: Server, options: IssueOptions): void {
  const { clock, log, onAnswer } = options;
  const counter = new IssueCounter(options);
  const logs = new Admission(refusalLogs, clock.monotonicMs());
  server.register<IssueRequest, RenewResponse>(
    issuePath,
    (call: ServerUnaryCall<IssueRequest, RenewResponse>, reply: sendUnaryData<RenewResponse>) => {
      const source = sourceOf(call.getPeer());
      void counter.answer(call.request, source).then(
        ({ id, response }) => {
          onAnswer?.("issued");
          log.info({ id, remote: source }, "SVID issued");
          reply(null, response);
        },
        (error: unknown) => {
          onAnswer?.(resultOf(error));
          if (logs.take(clock.monotonicMs())) {
            log.warn({ remote: source, reason: reasonOf(error) }, "SVID refused");
          }
          reply(refusalOf(error));
        },
      );
    },
    encodeRenewResponse,
    decoded,
    "unary",
  );
}

function resultOf(error: unknown): IssueResult {
  if (!(error instanceof MeshError)) return "failed";
  if (error.code === "MESH_XDS_LIMIT") return "limited";
  return error.code === "MESH_TOKEN_UNPROVEN" ? "unproven" : "refused";
}

/** Keeps the limits around each answer. */
class IssueCounter {
  readonly #options: IssueOptions;
  readonly #perIdentity: PeerPace;
  readonly #perSource: PeerPace;
  #atOnce = 0;

  constructor(options: IssueOptions) {
    const { identity, source } = options.paces ?? defaultPaces;
    this.#options = options;
    this.#perIdentity = new PeerPace(identity);
    this.#perSource = new PeerPace(source);
  }

  async answer(
    { csr, proof }: IssueRequest,
    source: string,
  ): Promise<{ readonly id: SpiffeId; readonly response: RenewResponse }> {
    const { clock, prove, issue } = this.#options;
    if (csr.length === 0) throw refusal("MESH_TRUST_CSR_REFUSED", "the request holds no sound CSR");
    if (proof === undefined) throw refusal("MESH_TOKEN_MALFORMED", "it proves nothing by a token");
    paced(this.#perSource.take(source, clock.monotonicMs()), "this address");
    if (this.#atOnce >= maxAtOnce) {
      throw refusal("MESH_XDS_LIMIT", "too many ask at once, come again in 1 s");
    }
    this.#atOnce += 1;
    try {
      const id = await prove(proof);
      paced(this.#perIdentity.take(id, clock.monotonicMs()), `"${id}"`);
      return { id, response: await issue(id, csr) };
    } finally {
      this.#atOnce -= 1;
    }
  }
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

/** The address without the port: every connection has another one. */
function sourceOf(remote: string): string {
  return remote.slice(0, Math.max(0, remote.lastIndexOf(":"))) || remote;
}

// A P-256 CSR takes 300 bytes, an RSA-4096 one 1,700.
const maxCsrBytes = 16 * 1024;

const nothing: IssueRequest = { csr: new Uint8Array(), proof: undefined };

/** Nothing instead of a throw: the library would answer INTERNAL to what is the caller's fault. */
function decoded(bytes: Buffer): IssueRequest {
  try {
    const request = decodeIssueRequest(bytes);
    return request.csr.length <= maxCsrBytes ? request : nothing;
  } catch {
    return nothing;
  }
}
