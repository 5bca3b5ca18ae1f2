import { parseIpRange } from "../mesh/address.ts";
import type {
  Charter,
  CharterException,
  CharterMember,
  RootRotation,
  Succession,
} from "../mesh/charter.ts";
import { MeshError, reasonOf } from "../mesh/errors.ts";
import type { TrustDomain } from "../mesh/ids.ts";
import {
  memberOfTrustDomain,
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  parseNetworkName,
  parseSpiffeId,
  spiffePartsOf,
} from "../mesh/ids.ts";
import {
  fieldOf,
  integerAt,
  labelAt,
  listAt,
  oneOf,
  refuseCharter,
  sentenceAt,
  textAt,
  textsAt,
} from "./charter-fields.ts";
import { maxFederated, readFederated } from "./federation/federated-codec.ts";

// Two thousand members of 1 kB; JSON of this size is read in a few ms.
export const maxCharterBytes: number = 2 * 1024 * 1024;
const maxMembers = 2000;
// Renewals add issuers and drop the oldest; more than a few live at once are a mistake.
export const maxIssuers = 16;
const maxListed = 256;
const maxRoots = 16;
const maxExceptions = 16;
/** Whoever was away for more rotations than this has to join anew. */
export const maxSuccessions = 8;

const standings = ["active", "leaving", "denied"] as const;
const steps = ["idle", "prepared", "publishing", "activating", "draining", "retiring"] as const;

/** The bytes that are signed. Readers keep what they got and never encode again to compare. */
export function encodeCharter(charter: Charter): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(charter));
}

/**
 * Reads the bytes of a charter, whoever wrote them. Unknown fields are left out: a later schema 1 may
 * have more. Throws MESH_TRUST_CHARTER_REFUSED.
 */
export function parseCharter(bytes: Uint8Array): Charter {
  if (bytes.length > maxCharterBytes) {
    return refuseCharter(`it is larger than ${maxCharterBytes} bytes`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return readCharter(JSON.parse(text));
  } catch (cause) {
    if (cause instanceof MeshError && cause.code === "MESH_TRUST_CHARTER_REFUSED") throw cause;
    return refuseCharter(reasonOf(cause), cause);
  }
}

function readCharter(value: unknown): Charter {
  if (fieldOf(value, "schema") !== 1) return refuseCharter("its schema is not 1");
  const mesh = parseMeshDomain(textAt(value, "mesh"));
  const members = listAt(value, "members", maxMembers).map(readMember);
  checkUnique(
    members.map((member) => member.name),
    "member",
  );
  // An issuer listed twice could speak for two members.
  checkUnique(
    members.flatMap((member) => member.issuers),
    "issuer",
  );
  const operators = textsAt(value, "operators", maxListed);
  for (const operator of operators) {
    const { trustDomain } = spiffePartsOf(parseSpiffeId(operator));
    checkInMesh(memberOfTrustDomain(trustDomain, mesh), trustDomain);
  }
  const bundle = textsAt(value, "bundle", maxRoots);
  if (bundle.length === 0) return refuseCharter("its bundle is empty");
  const rotation = fieldOf(value, "rotation");
  const extras = readExtras(value, mesh);
  const succession = fieldOf(value, "succession");
  return {
    schema: 1,
    mesh,
    number: integerAt(value, "number"),
    members,
    bundle,
    rotationStep: oneOf(steps, textAt(value, "rotationStep")),
    ...(rotation === undefined ? {} : { rotation: readRotation(rotation) }),
    ...(succession === undefined
      ? {}
      : { succession: listAt(value, "succession", maxSuccessions).map(readSuccession) }),
    ...extras,
    operators,
    timeMs: integerAt(value, "timeMs"),
  };
}

function readExtras(
  value: unknown,
  mesh: Charter["mesh"],
): Pick<Charter, "federated" | "exceptions"> {
  const [federated, exceptions] = [fieldOf(value, "federated"), fieldOf(value, "exceptions")];
  const read = {
    ...(federated === undefined
      ? {}
      : {
          federated: listAt(value, "federated", maxFederated).map((one) =>
            readFederated(one, mesh),
          ),
        }),
    ...(exceptions === undefined
      ? {}
      : { exceptions: listAt(value, "exceptions", maxExceptions).map(readException) }),
  };
  checkUnique(
    (read.federated ?? []).map(({ trustDomain }) => trustDomain),
    "federated trust domain",
  );
  return read;
}

function readException(value: unknown): CharterException {
  return {
    t: oneOf(["unconstrained-root"] as const, textAt(value, "t")),
    sha256: digestAt(value, "sha256"),
    reason: sentenceAt(value, "reason"),
    timeMs: integerAt(value, "timeMs"),
  };
}

function readMember(value: unknown): CharterMember {
  const issuers = textsAt(value, "issuers", maxIssuers);
  for (const issuer of issuers) {
    if (!isDigest(issuer)) return refuseCharter("an issuer is not a SHA-256 digest");
  }
  const state = oneOf(standings, textAt(value, "state"));
  const isEndKnown = fieldOf(value, "issuersEndMs") !== undefined;
  const ends = isEndKnown ? { issuersEndMs: integerAt(value, "issuersEndMs") } : {};
  const isBack = fieldOf(value, "readmitted") !== undefined;
  const back = isBack ? { readmitted: integerAt(value, "readmitted") } : {};
  return { ...readClaims(value), issuers, state, ...ends, ...back };
}

/** What a member may claim, as it stands in its entry. Throws MESH_TRUST_CHARTER_REFUSED and MESH_…_INVALID. */
export function readClaims(
  value: unknown,
): Omit<CharterMember, "issuers" | "state" | "issuersEndMs" | "readmitted"> {
  const gatewayRanges = textsAt(value, "gatewayRanges", maxListed);
  for (const range of gatewayRanges) parseIpRange(range);
  const mayExport = textsAt(value, "mayExport", maxListed);
  for (const namespace of mayExport) if (namespace !== "*") parseNamespace(namespace);
  return {
    name: parseMemberName(textAt(value, "name")),
    cloud: labelAt(value, "cloud"),
    region: labelAt(value, "region"),
    network: parseNetworkName(textAt(value, "network")),
    gatewayRanges,
    mayExport,
  };
}

function readRotation(value: unknown): RootRotation {
  const cross = fieldOf(value, "cross");
  return {
    from: digestAt(value, "from"),
    to: digestAt(value, "to"),
    ...(cross === undefined ? {} : { cross: boundedAt(value, "cross") }),
    startedMs: integerAt(value, "startedMs"),
    waived: textsAt(value, "waived", maxMembers).map(parseMemberName),
  };
}

function readSuccession(value: unknown): Succession {
  const cross = fieldOf(value, "cross");
  const retired = fieldOf(value, "retired");
  return {
    root: boundedAt(value, "root"),
    by: digestAt(value, "by"),
    signature: boundedAt(value, "signature"),
    ...(cross === undefined ? {} : { cross: boundedAt(value, "cross") }),
    ...(retired === undefined ? {} : { retired: boundedAt(value, "retired") }),
  };
}

function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function digestAt(value: unknown, name: string): string {
  const text = textAt(value, name);
  return isDigest(text) ? text : refuseCharter(`"${name}" is not a SHA-256 digest`);
}

// A certificate of ours has half of it.
const maxBase64 = 16_384;

function boundedAt(value: unknown, name: string): string {
  const text = textAt(value, name);
  return text.length <= maxBase64 ? text : refuseCharter(`"${name}" is too long`);
}

function checkUnique(values: readonly string[], what: string): void {
  if (new Set(values).size !== values.length) refuseCharter(`it lists one ${what} twice`);
}

function checkInMesh(member: unknown, trustDomain: TrustDomain): void {
  if (member === undefined) refuseCharter(`operator of ${trustDomain} is outside the mesh`);
}
