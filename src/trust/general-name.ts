import type { TrustDomain } from "../mesh/ids.ts";
import type { Der } from "./der.ts";
import {
  bytesOf,
  childrenOf,
  contextTag,
  der,
  rawOf,
  refuseDer,
  sequence,
  tag,
  tagOf,
} from "./der.ts";

/** One entry of a subject alternative name, or the base of a name constraint. */
export type GeneralName =
  | { readonly t: "uri" | "dns" | "email"; readonly value: string }
  /** 4 or 16 bytes; with its mask 8 or 32 in a constraint. */
  | { readonly t: "ip"; readonly bytes: Buffer }
  /** Directory names, registered ids, other names: seen, not understood. */
  | { readonly t: "other"; readonly tag: number };

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

const email = contextTag(1);
const dns = contextTag(2);
const uri = contextTag(6);
const ip = contextTag(7);

export function readGeneralName(node: Der): GeneralName {
  const found = tagOf(node);
  switch (found) {
    case email:
      return { t: "email", value: ia5Of(node, email) };
    case dns:
      return { t: "dns", value: ia5Of(node, dns) };
    case uri:
      return { t: "uri", value: ia5Of(node, uri) };
    case ip:
      return { t: "ip", bytes: bytesOf(node, ip) };
    default:
      return { t: "other", tag: found };
  }
}

/** Printable ASCII: a NUL or a newline in a name is how parsers are played against each other. */
function ia5Of(node: Der, wanted: number): string {
  const value = rawOf(node, wanted);
  return /^[\x21-\x7e]*$/.test(value) ? value : refuseDer("a name holds unprintable characters");
}

/** RFC 5280 section 4.2.1.10. */
export function readNameConstraints(value: Der): NameConstraints {
  const parts = childrenOf(value, tag.sequence);
  const trees = { permitted: contextTag(0, "constructed"), excluded: contextTag(1, "constructed") };
  const read = (wanted: number): readonly GeneralName[] =>
    parts.filter((part) => tagOf(part) === wanted).flatMap((part) => subtreesOf(part, wanted));
  const found = { permitted: read(trees.permitted), excluded: read(trees.excluded) };
  const isWhole = parts.length === new Set(parts.map(tagOf)).size;
  const isKnown = parts.every((part) => Object.values(trees).includes(tagOf(part)));
  return isWhole && isKnown && parts.length > 0
    ? found
    : refuseDer("the name constraints are malformed");
}

function subtreesOf(node: Der, wanted: number): readonly GeneralName[] {
  const subtrees = childrenOf(node, wanted).map((subtree) => {
    const [base, ...bounds] = childrenOf(subtree, tag.sequence);
    // `minimum` and `maximum` must be 0 and absent, so DER leaves both out.
    return base === undefined || bounds.length > 0
      ? refuseDer("a name constraint has bounds")
      : readGeneralName(base);
  });
  return subtrees.length > 0 ? subtrees : refuseDer("the name constraints are empty");
}

export function writeGeneralName(name: GeneralName): Der {
  switch (name.t) {
    case "email":
      return der(email, name.value);
    case "dns":
      return der(dns, name.value);
    case "uri":
      return der(uri, name.value);
    case "ip":
      return der(ip, name.bytes.toString("latin1"));
    case "other":
      throw new RangeError(`Cannot write a general name with tag ${name.tag}`);
  }
}

export function writeNameConstraints(constraints: NameConstraints): Der {
  const trees = (number: number, names: readonly GeneralName[]): readonly Der[] =>
    names.length === 0
      ? []
      : [
          der(
            contextTag(number, "constructed"),
            names.map((name) => sequence(writeGeneralName(name))),
          ),
        ];
  return sequence(...trees(0, constraints.permitted), ...trees(1, constraints.excluded));
}

/**
 * What the certificate of every member's issuer must carry. The host has no leading dot (a dot would
 * mean its subdomains alone). URI constraints leave DNS names free, so both are given. OpenSSL and
 * BoringSSL match an empty mail constraint with nothing, so that mail cannot be excluded whole;
 * permitting one host and excluding the same leaves nothing in any verifier.
 */
export function memberConstraints(trustDomain: TrustDomain): NameConstraints {
  const mail: GeneralName = { t: "email", value: trustDomain };
  return {
    permitted: [{ t: "uri", value: trustDomain }, { t: "dns", value: trustDomain }, mail],
    excluded: [{ t: "ip", bytes: Buffer.alloc(8) }, { t: "ip", bytes: Buffer.alloc(32) }, mail],
  };
}
