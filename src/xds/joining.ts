import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { SignedCharter } from "../mesh/charter.ts";
import { Secret } from "../mesh/secret.ts";
import { textOf } from "./issuing.ts";
import { byteFields } from "./renewal.ts";

// Written by hand, as renewal.ts: proto/isthmus/identity/v1/identity.proto.

/** gRPC path of the call by which a newcomer learns the roots of an agent, before it believes any. */
export const bundlePath = "/isthmus.identity.v1.IdentityService/Bundle";
/** gRPC path of the call by which a member gets its intermediate. */
export const joinMemberPath = "/isthmus.identity.v1.IdentityService/JoinMember";

/** The request is empty. */
export interface BundleResponse {
  /** Trusted roots, DER. */
  readonly bundle: readonly Uint8Array[];
  /** SPIFFE ID by which the agent will prove itself. */
  readonly agentId: string;
}

export interface JoinMemberRequest {
  /** PKCS#10 of the member's issuing key, DER. */
  readonly csr: Uint8Array;
  /** Undefined: the connection's certificate is the member's agent. */
  readonly token: Secret | undefined;
  /** The name that the newcomer takes itself for; empty: it leaves that to the token. */
  readonly member: string;
}

export interface JoinMemberResponse {
  /** The intermediate first, DER, without the root. */
  readonly chain: readonly Uint8Array[];
  /** Trusted roots, DER. */
  readonly bundle: readonly Uint8Array[];
  /** Names the member and its new issuer. */
  readonly charter: SignedCharter;
  /** Where the agents of this mesh meet, for who has no configuration yet; absent: nothing is said of it. */
  readonly hubs?: readonly JoinHub[];
}

/** A hub as another member's agent uses it; what opens it is each member's own. */
export interface JoinHub {
  /** Without user and password. */
  readonly url: string;
  readonly needsPassword: boolean;
  /** Its certificate comes from somebody whom not everybody trusts. */
  readonly needsCa: boolean;
}

export function encodeBundleResponse({ bundle, agentId }: BundleResponse): Buffer {
  const writer = new BinaryWriter();
  for (const der of bundle) writer.tag(1, WireType.LengthDelimited).bytes(der);
  return Buffer.from(writer.tag(2, WireType.LengthDelimited).string(agentId).finish());
}

/** Throws RangeError, TypeError or Error on bytes that are no such message; so do the others here. */
export function decodeBundleResponse(bytes: Uint8Array): BundleResponse {
  const found = byteFields(bytes);
  return { bundle: found.get(1) ?? [], agentId: textOf(found.get(2)) };
}

export function encodeJoinMemberRequest({ csr, token, member }: JoinMemberRequest): Buffer {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(csr);
  if (token !== undefined) writer.tag(2, WireType.LengthDelimited).string(token.reveal());
  if (member !== "") writer.tag(3, WireType.LengthDelimited).string(member);
  return Buffer.from(writer.finish());
}

export function decodeJoinMemberRequest(bytes: Uint8Array): JoinMemberRequest {
  const found = byteFields(bytes);
  const token = textOf(found.get(2));
  return {
    csr: found.get(1)?.at(-1) ?? new Uint8Array(),
    token: token === "" ? undefined : new Secret(token),
    member: textOf(found.get(3)),
  };
}

export function encodeJoinMemberResponse(response: JoinMemberResponse): Buffer {
  const { chain, bundle, charter, hubs = [] } = response;
  const writer = new BinaryWriter();
  for (const der of chain) writer.tag(1, WireType.LengthDelimited).bytes(der);
  for (const der of bundle) writer.tag(2, WireType.LengthDelimited).bytes(der);
  writer.tag(3, WireType.LengthDelimited).bytes(charter.bytes);
  writer.tag(4, WireType.LengthDelimited).bytes(charter.signature);
  writer.tag(5, WireType.LengthDelimited).string(charter.signer);
  for (const hub of hubs) writer.tag(6, WireType.LengthDelimited).bytes(encodeHub(hub));
  return Buffer.from(writer.finish());
}

export function decodeJoinMemberResponse(bytes: Uint8Array): JoinMemberResponse {
  const found = byteFields(bytes);
  const last = (field: number): Uint8Array => found.get(field)?.at(-1) ?? new Uint8Array();
  const charter = { bytes: last(3), signature: last(4), signer: textOf(found.get(5)) };
  const hubs = (found.get(6) ?? []).map(decodeHub);
  return { chain: found.get(1) ?? [], bundle: found.get(2) ?? [], charter, hubs };
}

const passwordNeed = "password";
const caNeed = "ca";

function encodeHub({ url, needsPassword, needsCa }: JoinHub): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(url);
  if (needsPassword) writer.tag(2, WireType.LengthDelimited).string(passwordNeed);
  if (needsCa) writer.tag(2, WireType.LengthDelimited).string(caNeed);
  return writer.finish();
}

function decodeHub(bytes: Uint8Array): JoinHub {
  const found = byteFields(bytes);
  const needs = (found.get(2) ?? []).map((one) => textOf([one]));
  const needsPassword = needs.includes(passwordNeed);
  return { url: textOf(found.get(1)), needsPassword, needsCa: needs.includes(caNeed) };
}
