import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Secret } from "../mesh/secret.ts";

// Written by hand, as renewal.ts: proto/isthmus/identity/v1/identity.proto. The answer is a RenewResponse.

/** gRPC path of the call by which a workload without a certificate gets its first SVID. */
export const issuePath = "/isthmus.identity.v1.IdentityService/Issue";

/** Trailer of a refusal: the error code, as `docs/errors.md` lists it. */
export const codeTrailer = "isthmus-code";

/** What shows who asks; the CSR shows nothing but that the caller has the key. */
export interface IdentityProof {
  /** A Kubernetes service-account token whose audience is the agent. */
  readonly t: "service-account-token";
  readonly token: Secret;
}

export interface IssueRequest {
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  /** Undefined: none that this version knows. */
  readonly proof: IdentityProof | undefined;
}

const fields = { csr: 1, serviceAccountToken: 2 } as const;

export function encodeIssueRequest({ csr, proof }: IssueRequest): Buffer {
  const writer = new BinaryWriter().tag(fields.csr, WireType.LengthDelimited).bytes(csr);
  if (proof !== undefined) {
    const { token } = proof;
    writer.tag(fields.serviceAccountToken, WireType.LengthDelimited).string(token.reveal());
  }
  return Buffer.from(writer.finish());
}

/** Throws RangeError or Error on bytes that are no such message. */
export function decodeIssueRequest(bytes: Uint8Array): IssueRequest {
  const reader = new BinaryReader(bytes);
  let csr: Uint8Array = new Uint8Array();
  let proof: IdentityProof | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === fields.csr) csr = reader.bytes();
    else if (field === fields.serviceAccountToken) {
      proof = { t: "service-account-token", token: new Secret(reader.string()) };
    } else reader.skip(wireType, field);
  }
  return { csr, proof };
}
