import type { Der } from "./der.ts";
import {
  bytesOf,
  childrenOf,
  contextTag,
  namedBitsOf,
  oidOf,
  rawOid,
  readDer,
  refuseDer,
  smallIntegerOf,
  tag,
  tagOf,
  trueOf,
} from "./der.ts";
import type { GeneralName, NameConstraints } from "./general-name.ts";
import { readGeneralName, readNameConstraints } from "./general-name.ts";
import { oids } from "./oids.ts";

interface Marked {
  readonly isCritical: boolean;
}

/** The extensions we understand (RFC 5280 section 4.2.1). A critical one we do not is named in `strangers`. */
export interface Extensions {
  readonly basicConstraints?: Marked & { readonly isCa: boolean; readonly pathLength?: number };
  readonly keyUsage?: Marked & { readonly bits: ReadonlySet<number> };
  /** Raw OIDs. */
  readonly extendedKeyUsage?: Marked & { readonly purposes: readonly string[] };
  readonly subjectAltName?: Marked & { readonly names: readonly GeneralName[] };
  readonly nameConstraints?: Marked & NameConstraints;
  /** Hex. */
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
  /** Raw OIDs of critical extensions that we do not understand. */
  readonly strangers: readonly string[];
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };
type Reader = (found: Writable<Extensions>, value: Der, mark: Marked) => void;

const limits = { maxBytes: 8192, maxDepth: 12 } as const;

// A map, because strangers choose the OIDs: an object would know `constructor` and `__proto__` too.
const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  [
    rawOid(oids.basicConstraints),
    (found, value, mark) => {
      found.basicConstraints = { ...mark, ...readBasicConstraints(value) };
    },
  ],
  [
    rawOid(oids.keyUsage),
    (found, value, mark) => {
      found.keyUsage = { ...mark, bits: namedBitsOf(value) };
    },
  ],
  [
    rawOid(oids.extendedKeyUsage),
    (found, value, mark) => {
      const purposes = nonEmpty(childrenOf(value, tag.sequence)).map((id) => oidOf(id));
      found.extendedKeyUsage = { ...mark, purposes };
    },
  ],
  [
    rawOid(oids.subjectAltName),
    (found, value, mark) => {
      const names = nonEmpty(childrenOf(value, tag.sequence)).map(readGeneralName);
      found.subjectAltName = { ...mark, names };
    },
  ],
  [
    rawOid(oids.nameConstraints),
    (found, value, mark) => {
      found.nameConstraints = { ...mark, ...readNameConstraints(value) };
    },
  ],
  [
    rawOid(oids.subjectKeyId),
    (found, value) => {
      found.subjectKeyId = bytesOf(value, tag.octetString).toString("hex");
    },
  ],
  [
    rawOid(oids.authorityKeyId),
    (found, value) => {
      const key = childrenOf(value, tag.sequence).find((part) => tagOf(part) === contextTag(0));
      if (key !== undefined) found.authorityKeyId = bytesOf(key, contextTag(0)).toString("hex");
    },
  ],
]);

export function readExtensions(node: Der | undefined): Extensions {
  const strangers: string[] = [];
  const found: Writable<Extensions> = { strangers };
  const seen = new Set<string>();
  for (const extension of nonEmpty(childrenOf(node, tag.sequence))) {
    const parts = childrenOf(extension, tag.sequence);
    const id = oidOf(parts[0]);
    const isCritical = parts.length === 3 && trueOf(parts[1]);
    if (parts.length > 3 || seen.has(id)) return refuseDer("an extension is repeated or malformed");
    seen.add(id);
    const content = bytesOf(parts.at(-1), tag.octetString);
    const read = readers.get(id);
    if (read !== undefined) read(found, readDer(content, limits), { isCritical });
    else if (isCritical) strangers.push(id);
  }
  return found;
}

function readBasicConstraints(value: Der): { isCa: boolean; pathLength?: number } {
  const parts = [...childrenOf(value, tag.sequence)];
  const first = parts[0];
  const isCa = first !== undefined && tagOf(first) === tag.boolean && trueOf(parts.shift());
  const pathLength = parts.length > 0 ? smallIntegerOf(parts.shift()) : undefined;
  // RFC 5280 section 4.2.1.9: a path length says something of a CA only.
  if (parts.length > 0 || (pathLength !== undefined && !isCa)) {
    return refuseDer("the basic constraints are malformed");
  }
  return pathLength === undefined ? { isCa } : { isCa, pathLength };
}

function nonEmpty(list: readonly Der[]): readonly Der[] {
  return list.length > 0 ? list : refuseDer("a list is empty");
}
