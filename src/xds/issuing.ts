import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Secret } from "../mesh/secret.ts";
import {
  byteFields,
  decodeRenewResponse,
  encodeRenewResponse,
  type RenewResponse,
} from "./renewal.ts";

// Written by hand, as renewal.ts: proto/isthmus/identity/v1/identity.proto.

/** gRPC path of the call by which a workload without a certificate gets its first SVID. */
export const issuePath = "/isthmus.identity.v1.IdentityService/Issue";

/** Trailer of a refusal: the error code, as `docs/errors.md` lists it. */
export const codeTrailer = "isthmus-code";

/** What shows who asks; the CSR shows nothing but that the caller has the key. */
export interface IdentityProof {
  /** A Kubernetes service-account token whose audience is the agent, or a one-time token of a VM. */
  readonly t: "service-account-token" | "join-token";
  readonly token: Secret;
}

export interface IssueRequest {
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  /** Undefined: none that this version knows. */
  readonly proof: IdentityProof | undefined;
  /** `namespace/name` of the WorkloadGroup that a VM takes itself for; empty: it leaves that to its token. */
  readonly workloadGroup?: string;
}

export interface IssueResponse extends RenewResponse {
  /** `namespace/name` that a join token is bound to; empty for other proofs. */
  readonly workloadGroup?: string;
}

const fields = { csr: 1, serviceAccountToken: 2, joinToken: 3, workloadGroup: 4 } as const;
const groupInResponse = 3;

export function encodeIssueRequest({ csr, proof, workloadGroup = "" }: IssueRequest): Buffer {
  const writer = new BinaryWriter().tag(fields.csr, WireType.LengthDelimited).bytes(csr);
  if (proof !== undefined) {
    const field = proof.t === "join-token" ? fields.joinToken : fields.serviceAccountToken;
    writer.tag(field, WireType.LengthDelimited).string(proof.token.reveal());
  }
  if (workloadGroup !== "") {
    writer.tag(fields.workloadGroup, WireType.LengthDelimited).string(workloadGroup);
  }
  return Buffer.from(writer.finish());
}

/** Throws RangeError, TypeError or Error on bytes that are no such message. */
export function decodeIssueRequest(bytes: Uint8Array): IssueRequest {
  const found = byteFields(bytes);
  const account = textOf(found.get(fields.serviceAccountToken));
  const join = textOf(found.get(fields.joinToken));
  // Both at once break the oneof: what counts then is nobody's guess.
  const proof: IdentityProof | undefined =
    join === ""
      ? account === ""
        ? undefined
        : { t: "service-account-token", token: new Secret(account) }
      : account === ""
        ? { t: "join-token", token: new Secret(join) }
        : undefined;
  return {
    csr: found.get(fields.csr)?.at(-1) ?? new Uint8Array(),
    proof,
    workloadGroup: textOf(found.get(fields.workloadGroup)),
  };
}

export function encodeIssueResponse(response: IssueResponse): Buffer {
  const { workloadGroup = "" } = response;
  const issued = encodeRenewResponse(response);
  if (workloadGroup === "") return issued;
  const writer = new BinaryWriter();
  writer.tag(groupInResponse, WireType.LengthDelimited).string(workloadGroup);
  return Buffer.concat([issued, writer.finish()]);
}

/** Throws RangeError, TypeError or Error on bytes that are no such message. */
export function decodeIssueResponse(bytes: Uint8Array): IssueResponse {
  const workloadGroup = textOf(byteFields(bytes).get(groupInResponse));
  return { ...decodeRenewResponse(bytes), workloadGroup };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The last one counts, as everywhere in protobuf; empty where there is none. */
export function textOf(values: readonly Uint8Array[] | undefined): string {
  return utf8.decode(values?.at(-1) ?? new Uint8Array());
}
