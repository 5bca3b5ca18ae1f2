import type { HostPort } from "../mesh/address.ts";
import { isIp, parseHostPort } from "../mesh/address.ts";
import { MeshError } from "../mesh/errors.ts";
import { parseServiceId } from "../mesh/ids.ts";
import type { ServiceTarget } from "../mesh/names.ts";
import { targetOfSni } from "../mesh/names.ts";

/** Typed access to an object that a stranger sent. Every method throws MESH_XDS_REQUEST_REFUSED. */
export interface Fields {
  readonly text: (key: string) => string;
  readonly optionalText: (key: string) => string | undefined;
  /** What may stand in a Kubernetes name or a zone. */
  readonly name: (key: string) => string;
  readonly oneOf: <T extends string>(key: string, allowed: readonly T[]) => T;
  /** 1..65535 */
  readonly port: (key: string) => number;
  /** IP literal and port. */
  readonly address: (key: string) => HostPort;
  /** `shop/cart`, or a whole host name when the suffix matters. */
  readonly target: (key: string, port: number) => ServiceTarget;
  /** Absent is empty. */
  readonly texts: (key: string, maxItems: number) => readonly string[];
  /** As `port` each; absent is empty. */
  readonly ports: (key: string, maxItems: number) => readonly number[];
  readonly fields: (key: string) => Fields;
  /** Absent is empty. */
  readonly list: (key: string, maxItems: number) => readonly Fields[];
}

const maxTextChars = 512;

export function fieldsOf(value: unknown, where: string): Fields {
  const record = recordOf(value, where);
  // Own properties only: `__proto__` and its kind are no fields.
  const at = (key: string): unknown => (Object.hasOwn(record, key) ? record[key] : undefined);
  const text = (key: string): string => textOf(at(key), `${where}.${key}`);
  return {
    text,
    optionalText: (key) => (at(key) === undefined ? undefined : text(key)),
    name: (key) => nameOf(text(key), `${where}.${key}`),
    oneOf: (key, allowed) => {
      const found = allowed.find((candidate) => candidate === at(key));
      return found ?? refuse(`${where}.${key}`, at(key), `it is none of ${allowed.join(", ")}`);
    },
    port: (key) => portOf(at(key), `${where}.${key}`),
    address: (key) => addressOf(text(key), `${where}.${key}`),
    target: (key, port) => targetOf(text(key), { port, where: `${where}.${key}` }),
    texts: (key, maxItems) =>
      itemsOf(at(key), { maxItems, where: `${where}.${key}` }).map(({ item, at: place }) =>
        textOf(item, place),
      ),
    ports: (key, maxItems) =>
      itemsOf(at(key), { maxItems, where: `${where}.${key}` }).map(({ item, at: place }) =>
        portOf(item, place),
      ),
    fields: (key) => fieldsOf(at(key), `${where}.${key}`),
    list: (key, maxItems) =>
      itemsOf(at(key), { maxItems, where: `${where}.${key}` }).map(({ item, at: place }) =>
        fieldsOf(item, place),
      ),
  };
}

/** Throws MESH_XDS_REQUEST_REFUSED; shows at most 80 characters of what was sent. */
export function refuse(what: string, value: unknown, truth: string): never {
  const shown = (JSON.stringify(value) ?? "nothing").slice(0, 80);
  throw new MeshError("MESH_XDS_REQUEST_REFUSED", `Cannot accept ${what} ${shown}: ${truth}`);
}

function recordOf(value: unknown, where: string): Readonly<Record<string, unknown>> {
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  return isRecord
    ? (value as Record<string, unknown>)
    : refuse(where, typeof value, "it is not an object");
}

function textOf(value: unknown, where: string): string {
  const isText = typeof value === "string" && value.length > 0 && value.length <= maxTextChars;
  return isText
    ? value
    : refuse(where, value, `it is not a text of 1 to ${maxTextChars} characters`);
}

function nameOf(text: string, where: string): string {
  const isName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(text);
  return isName ? text : refuse(where, text, "it is not a name");
}

// A Struct knows only doubles, so 80 arrives as 80.0; anything else is a mistake.
function portOf(value: unknown, where: string): number {
  const isPort =
    typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
  return isPort ? value : refuse(where, value, "it is not a port");
}

function addressOf(text: string, where: string): HostPort {
  const address = parseHostPort(text);
  return isIp(address.host) && address.port > 0
    ? address
    : refuse(where, text, "it is not an IP address with a port");
}

function targetOf(
  text: string,
  at: { readonly port: number; readonly where: string },
): ServiceTarget {
  if (text.includes("/")) {
    return { service: parseServiceId(text), port: at.port, suffix: "svc.cluster.local" };
  }
  const target = targetOfSni(`outbound_.${at.port}_._.${text}`);
  return target ?? refuse(at.where, text, "it is neither namespace/name nor a service's host name");
}

function itemsOf(
  value: unknown,
  limit: { readonly maxItems: number; readonly where: string },
): { readonly item: unknown; readonly at: string }[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > limit.maxItems) {
    refuse(limit.where, typeof value, `it is not a list of at most ${limit.maxItems}`);
  }
  return value.map((item: unknown, index) => ({ item, at: `${limit.where}[${index}]` }));
}
