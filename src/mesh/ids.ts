import { MeshError } from "./errors.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The DNS-like name of everything under one root, e.g. `acme.mesh`. */
export type MeshDomain = Branded<"MeshDomain">;
/** One member of the mesh, a DNS label: no member can be a subdomain of another. */
export type MemberName = Branded<"MemberName">;
/** A set of members whose workloads reach each other directly. */
export type NetworkName = Branded<"NetworkName">;
export type Namespace = Branded<"Namespace">;
/** `namespace/name`; the same id in two members is the same service. */
export type ServiceId = Branded<"ServiceId">;
/** `<member>.<mesh domain>`. */
export type TrustDomain = Branded<"TrustDomain">;
/** `spiffe://<trust domain>/<path>`, canonical lower-case form. */
export type SpiffeId = Branded<"SpiffeId">;

const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const maxDomainBytes = 190; // leaves room for a 63-byte member label inside a 255-byte trust domain

/** Throws MESH_ID_INVALID, as all readers of names here do. */
export function parseMeshDomain(text: string): MeshDomain {
  const isDomain =
    text.length <= maxDomainBytes && text.split(".").every((part) => label.test(part));
  return isDomain ? (text as MeshDomain) : refuse("mesh domain", text, "it is not a DNS name");
}

/** A DNS label of at most 63 characters. */
export function parseMemberName(text: string): MemberName {
  return parseLabel(text, "member name") as MemberName;
}

/** A DNS label of at most 63 characters. */
export function parseNetworkName(text: string): NetworkName {
  return parseLabel(text, "network name") as NetworkName;
}

/** A DNS label of at most 63 characters. */
export function parseNamespace(text: string): Namespace {
  return parseLabel(text, "namespace") as Namespace;
}

/** Reads `namespace/name`. */
export function parseServiceId(text: string): ServiceId {
  const parts = text.split("/");
  const isPair = parts.length === 2 && parts.every((part) => label.test(part));
  return isPair ? (text as ServiceId) : refuse("service", text, "it is not <namespace>/<name>");
}

/** Any trust domain, of the mesh or not. Source: SPIFFE-ID specification section 2.1. */
export function parseTrustDomain(text: string): TrustDomain {
  return /^[a-z0-9._-]{1,255}$/.test(text)
    ? (text as TrustDomain)
    : refuse("trust domain", text, "it breaks the SPIFFE-ID grammar");
}

/** Throws MESH_ID_INVALID when either part is no DNS label. */
export function serviceIdOf(namespace: string, name: string): ServiceId {
  return parseServiceId(`${namespace}/${name}`);
}

export function namespaceOf(service: ServiceId): Namespace {
  return service.slice(0, service.indexOf("/")) as Namespace;
}

export function nameOf(service: ServiceId): string {
  return service.slice(service.indexOf("/") + 1);
}

/** Each member has a trust domain of its own below the mesh, so that its issuer can be bound to it. */
export function trustDomainOf(member: MemberName, mesh: MeshDomain): TrustDomain {
  return `${member}.${mesh}` as TrustDomain;
}

/**
 * The member that a trust domain belongs to, or undefined when it is not a direct child of the mesh
 * domain.
 */
export function memberOfTrustDomain(
  trustDomain: TrustDomain,
  mesh: MeshDomain,
): MemberName | undefined {
  if (!trustDomain.endsWith(`.${mesh}`)) return undefined;
  const name = trustDomain.slice(0, -mesh.length - 1);
  return label.test(name) ? (name as MemberName) : undefined;
}

// SPIFFE-ID section 2: lower case only, no port, no query, no percent-encoding, no empty or dot
// segments. WHATWG `URL` would repair such input instead of refusing it.
const spiffeShape = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)*)$/;
const maxSpiffeBytes = 2048;

export interface SpiffeParts {
  readonly trustDomain: TrustDomain;
  /** Starts with `/`, or is empty for a trust domain's own id. */
  readonly path: string;
}

/** Throws MESH_ID_INVALID. Source: SPIFFE-ID specification section 2. */
export function parseSpiffeId(text: string): SpiffeId {
  return spiffeParts(text) === undefined
    ? refuse("SPIFFE ID", text, "it breaks the SPIFFE-ID grammar")
    : (text as SpiffeId);
}

export function spiffePartsOf(id: SpiffeId): SpiffeParts {
  return spiffeParts(id) ?? refuse("SPIFFE ID", id, "it breaks the SPIFFE-ID grammar");
}

function spiffeParts(text: string): SpiffeParts | undefined {
  if (text.length > maxSpiffeBytes) return undefined;
  const match = spiffeShape.exec(text);
  if (match === null) return undefined;
  const [, trustDomain = "", path = ""] = match;
  const hasDotSegment = path.split("/").some((segment) => segment === "." || segment === "..");
  return hasDotSegment ? undefined : { trustDomain: trustDomain as TrustDomain, path };
}

// Kubernetes allows dots here. A slash would make another path, and with it another identity.
const serviceAccountShape = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** The identity of every workload that runs as this service account. Throws MESH_ID_INVALID. */
export function workloadSpiffeId(
  trustDomain: TrustDomain,
  account: { readonly namespace: string; readonly serviceAccount: string },
): SpiffeId {
  const { serviceAccount } = account;
  if (!serviceAccountShape.test(serviceAccount)) {
    return refuse("service account", serviceAccount, "it is not a DNS name");
  }
  const namespace = parseNamespace(account.namespace);
  return parseSpiffeId(`spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`);
}

/** Roles of the mesh's own processes; only these sign heads, end probes or serve xDS. */
export type InfrastructureRole = "agent" | "gateway" | "catalog";

/** `spiffe://<trust domain>/isthmus/<role>` */
export function infrastructureSpiffeId(
  trustDomain: TrustDomain,
  role: InfrastructureRole,
): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}/isthmus/${role}`);
}

function parseLabel(text: string, what: string): string {
  return label.test(text)
    ? text
    : refuse(what, text, "it is not a DNS label of at most 63 characters");
}

function refuse(what: string, text: string, truth: string): never {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  throw new MeshError("MESH_ID_INVALID", `Cannot read ${what} ${JSON.stringify(shown)}: ${truth}`);
}
