import type { Charter } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { BundleEndpoint, FederatedCaller, FederatedDomain } from "../../mesh/federation.ts";
import { parseSpiffeId, spiffePartsOf, type TrustDomain } from "../../mesh/ids.ts";
import type { Bundle } from "../bundle.ts";
import { checkAccount, checkEndpointUrl, foreignTo, maxFederated } from "./federated-codec.ts";

/** What an operator says of a foreign trust domain. */
export interface FederationWish {
  readonly trustDomain: string;
  readonly bundle: Bundle;
  readonly sequence: number;
  readonly endpoint?: BundleEndpoint;
  readonly callers: readonly FederatedCaller[];
}

/**
 * Lets a foreign trust domain in, or replaces what the charter says of it. Throws MESH_TRUST_CHARTER_REFUSED,
 * MESH_ID_INVALID and MESH_TRUST_ISSUE_REFUSED.
 */
export function withFederated(charter: Charter, wish: FederationWish, nowMs: number): Charter {
  const trustDomain = foreignTo(charter.mesh, wish.trustDomain);
  const own = new Set(charter.bundle);
  const roots = wish.bundle.roots.map((root) => root.der.toString("base64"));
  // Never merged: a root of ours under another name would let our issuers speak for it, and the other way round.
  if (roots.some((root) => own.has(root))) {
    return refuse(trustDomain, "its bundle has a root of this mesh");
  }
  if (wish.endpoint !== undefined) checkEndpointUrl(wish.endpoint.url);
  const { sequence, endpoint, callers } = wish;
  for (const { id, to } of callers) {
    const isOwn = spiffePartsOf(parseSpiffeId(id)).trustDomain === trustDomain;
    if (!isOwn) return refuse(trustDomain, `"${id}" is no identity of it`);
    for (const account of to) checkAccount(account);
  }
  const entry: FederatedDomain = {
    trustDomain,
    roots,
    sequence,
    ...(endpoint === undefined ? {} : { endpoint }),
    callers,
  };
  const others = withoutEntry(charter, trustDomain);
  if (others.length >= maxFederated) {
    return refuse(trustDomain, `the charter has ${maxFederated} foreign trust domains already`);
  }
  return raised(charter, [...others, entry], nowMs);
}

/** Throws MESH_NOT_FOUND. */
export function withoutFederated(
  charter: Charter,
  trustDomain: TrustDomain,
  nowMs: number,
): Charter {
  const others = withoutEntry(charter, trustDomain);
  if (others.length < (charter.federated ?? []).length) return raised(charter, others, nowMs);
  throw new MeshError(
    "MESH_NOT_FOUND",
    `Cannot put out "${trustDomain}": the charter does not have it`,
  );
}

function withoutEntry(charter: Charter, trustDomain: TrustDomain): readonly FederatedDomain[] {
  return (charter.federated ?? []).filter((one) => one.trustDomain !== trustDomain);
}

function raised(charter: Charter, federated: readonly FederatedDomain[], nowMs: number): Charter {
  return { ...charter, federated, number: charter.number + 1, timeMs: nowMs };
}

function refuse(trustDomain: TrustDomain, truth: string): never {
  throw new MeshError("MESH_TRUST_ISSUE_REFUSED", `Cannot let "${trustDomain}" in: ${truth}`);
}
