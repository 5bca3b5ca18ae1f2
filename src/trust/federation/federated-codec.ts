import type { BundleEndpoint, FederatedCaller, FederatedDomain } from "../../mesh/federation.ts";
import {
  type MeshDomain,
  parseNamespace,
  parseSpiffeId,
  parseTrustDomain,
  spiffePartsOf,
  type TrustDomain,
} from "../../mesh/ids.ts";
import { bundleOf } from "../bundle.ts";
import { fieldOf, integerAt, listAt, refuseCharter, textAt, textsAt } from "../charter-fields.ts";

/** Each of them is judged at each inbound connection. */
export const maxFederated = 16;
const maxRoots = 16;
const maxCallers = 256;
const maxTargets = 64;

/** Throws MESH_TRUST_CHARTER_REFUSED, MESH_ID_INVALID and as `bundleOf`. */
export function readFederated(value: unknown, mesh: MeshDomain): FederatedDomain {
  const trustDomain = foreignTo(mesh, textAt(value, "trustDomain"));
  const roots = textsAt(value, "roots", maxRoots);
  bundleOf(roots.map((root) => Buffer.from(root, "base64")));
  const endpoint = readEndpoint(value);
  return {
    trustDomain,
    roots,
    sequence: integerAt(value, "sequence", 0),
    ...(endpoint === undefined ? {} : { endpoint }),
    callers: listAt(value, "callers", maxCallers).map((one) => readCaller(one, trustDomain)),
  };
}

/** A trust domain that is no member's and never will be. Throws MESH_TRUST_CHARTER_REFUSED and MESH_ID_INVALID. */
export function foreignTo(mesh: MeshDomain, text: string): TrustDomain {
  const trustDomain = parseTrustDomain(text);
  return text === mesh || text.endsWith(`.${mesh}`)
    ? refuseCharter(`"${trustDomain}" is not foreign to ${mesh}`)
    : trustDomain;
}

/** Throws MESH_TRUST_CHARTER_REFUSED. */
export function checkEndpointUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // SPIFFE Federation, section 5.1: https, and no user information.
  const isSound =
    parsed?.protocol === "https:" &&
    parsed.username === "" &&
    parsed.password === "" &&
    url.length <= 2048;
  if (!isSound) refuseCharter(`"${url}" is not the https address of a bundle endpoint`);
}

function readEndpoint(value: unknown): BundleEndpoint | undefined {
  const endpoint = fieldOf(value, "endpoint");
  if (endpoint === undefined) return undefined;
  const url = textAt(endpoint, "url");
  checkEndpointUrl(url);
  const profile = textAt(endpoint, "profile");
  if (profile === "https_web") return { profile, url };
  if (profile !== "https_spiffe") return refuseCharter(`"${profile}" is no endpoint profile`);
  return { profile, url, id: parseSpiffeId(textAt(endpoint, "id")) };
}

function readCaller(value: unknown, trustDomain: TrustDomain): FederatedCaller {
  const id = parseSpiffeId(textAt(value, "id"));
  const parts = spiffePartsOf(id);
  if (parts.trustDomain !== trustDomain || parts.path === "") {
    return refuseCharter(`caller "${id}" is no identity of ${trustDomain}`);
  }
  const to = textsAt(value, "to", maxTargets);
  for (const account of to) checkAccount(account);
  return { id, to };
}

/** `namespace/serviceAccount`. Throws MESH_TRUST_CHARTER_REFUSED and MESH_ID_INVALID. */
export function checkAccount(text: string): void {
  const [namespace = "", account = "", ...more] = text.split("/");
  parseNamespace(namespace);
  const isAccount = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(account);
  if (!isAccount || more.length > 0)
    refuseCharter(`"${text}" is not <namespace>/<service account>`);
}
