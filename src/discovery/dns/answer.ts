import { type Answer, emptyAnswer, encodeAnswer, encodeFault } from "./encode.ts";
import { type Query, readQuery } from "./query.ts";
import type { NamedService, NamedWorkload, ServiceZone } from "./service-zone.ts";
import {
  type Name,
  negativeSeconds,
  type RecordData,
  type ResourceRecord,
  rcode,
  recordType,
} from "./wire.ts";

export interface AnswerOptions {
  /** Lower case, e.g. `["clusterset", "local"]`; none below another. The same services have a name in each. */
  readonly zones: readonly Name[];
  readonly services: KnownServices;
}

export interface KnownServices extends Pick<ServiceZone, "get" | "hasNamespace"> {
  /** False: what is not there may only not be known yet, and nobody is told so. */
  readonly isKnown: () => boolean;
}

export interface Answered {
  /** Undefined: nobody is to be answered. */
  readonly message: Uint8Array | undefined;
  readonly rcode: number;
  /** How many were looked up for it, also where they did not fit: what it cost. */
  readonly records: number;
}

// Services move, but resolvers ask again by themselves. CoreDNS has the same.
const ttlSeconds = 5;
const versionTtlSeconds = 28_800;
/** Source: MCS DNS specification, section 1. */
const schemaVersion = "1.0.0";
// "Possibly a subset", says KEP-1645 of headless services; more would only be thrown away by the asker. No
// datagram holds 160 addresses of either family, so that more of them need not be looked at.
const maxWorkloads = { tcp: 500, udp: 160 };
// Four long labels make a name that cannot be asked for.
const maxNameChars = 253;

interface Asking extends AnswerOptions {
  readonly transport: "udp" | "tcp";
  readonly turn: number;
}

/** Once it is clear which zone was meant. */
interface How extends Asking {
  readonly zone: Name;
}

/**
 * Answers one DNS message for the names of imported services. `turn` is any whole number: it says which
 * of several workloads is named first, so that callers who take the first one spread. Never throws.
 * Source: KEP-1645, DNS specification 1.0.0.
 */
export function answerMessage(message: Uint8Array, how: Asking): Answered {
  const reading = readQuery(message);
  switch (reading.t) {
    case "drop":
      return { message: undefined, rcode: rcode.formatError, records: 0 };
    case "fault":
      return { message: encodeFault(reading), rcode: reading.rcode, records: 0 };
    case "refused": {
      const answer = emptyAnswer(reading.rcode);
      return {
        message: encodeAnswer(reading.query, answer, how.transport),
        rcode: reading.rcode,
        records: 0,
      };
    }
    case "query": {
      const answer = answerTo(reading.query, how);
      return {
        message: encodeAnswer(reading.query, answer, how.transport),
        rcode: answer.rcode,
        records: answer.answers.length + answer.additional.length,
      };
    }
  }
}

type Found =
  /** There is no such name. */
  | { readonly t: "nothing" }
  /** All records of that name, whatever is asked. */
  | { readonly t: "records"; readonly records: readonly RecordData[]; readonly next?: NextNames };

/** Addresses of names that a record leads to. */
type NextNames = readonly (readonly [Name, readonly string[]])[];

const nothing: Found = { t: "nothing" };
const noRecords: Found = { t: "records", records: [] };

function answerTo(query: Query, asking: Asking): Answer {
  const { name, type } = query.question;
  const zone = asking.zones.find((one) => endsWith(name, one));
  // No record has such a type: transfers and ANY, which nobody has to answer (RFC 8482).
  if (zone === undefined || (type >= 128 && type <= recordType.ANY)) {
    return emptyAnswer(rcode.refused);
  }
  if (!asking.services.isKnown()) return emptyAnswer(rcode.serverFailure);
  const depth = name.length - zone.length;
  const found = lookUp(name.slice(0, depth), { ...asking, zone });
  if (found.t === "nothing") return negative(rcode.noSuchName, zone);
  const owner = name;
  const ttl = depth === 1 ? versionTtlSeconds : ttlSeconds;
  const answers = found.records
    .filter((data) => isOfType(data, type))
    .map((data): ResourceRecord => ({ owner, ttlSeconds: ttl, data }));
  if (answers.length === 0) return negative(rcode.ok, zone);
  return {
    ...emptyAnswer(rcode.ok),
    answers,
    additional: type === recordType.SRV ? additionalOf(found.next ?? []) : [],
  };
}

function endsWith(name: Name, zone: Name): boolean {
  const depth = name.length - zone.length;
  return depth >= 0 && zone.every((label, index) => name[depth + index] === label);
}

function negative(code: number, zone: Name): Answer {
  const data = soaOf(zone);
  return {
    ...emptyAnswer(code),
    authority: [{ owner: zone, ttlSeconds: negativeSeconds, data }],
  };
}

function soaOf(zone: Name): RecordData {
  const server = ["ns", "dns", ...zone];
  return { t: "soa", server, mail: ["hostmaster", ...zone], serial: 1 };
}

function additionalOf(next: NextNames): readonly ResourceRecord[] {
  return next.flatMap(([owner, ips]) =>
    ips.map((ip): ResourceRecord => ({ owner, ttlSeconds, data: { t: "address", ip } })),
  );
}

function isOfType(data: RecordData, type: number): boolean {
  switch (data.t) {
    case "address":
      return type === (data.ip.includes(":") ? recordType.AAAA : recordType.A);
    case "srv":
      return type === recordType.SRV;
    case "txt":
      return type === recordType.TXT;
    case "ns":
      return type === recordType.NS;
    case "soa":
      return type === recordType.SOA;
  }
}

/** `below` is the name without its zone. */
function lookUp(below: Name, how: How): Found {
  const { zone } = how;
  const [last, namespace, service] = [...below].reverse();
  if (last === undefined) {
    return { t: "records", records: [soaOf(zone), { t: "ns", target: ["ns", "dns", ...zone] }] };
  }
  const text = below.join(".");
  if (text === "dns-version") return { t: "records", records: [{ t: "txt", text: schemaVersion }] };
  if (text === "dns" || text === "ns.dns" || text === "svc") return noRecords;
  if (last !== "svc" || namespace === undefined) return nothing;
  if (service === undefined) return how.services.hasNamespace(namespace) ? noRecords : nothing;
  const named = how.services.get(`${namespace}/${service}`);
  if (named === undefined) return nothing;
  const owner = [service, namespace, "svc", ...zone];
  const { turn, transport } = how;
  return lookUpService(below.slice(0, -3), { named, owner, turn, most: maxWorkloads[transport] });
}

interface At {
  readonly named: NamedService;
  /** The service's own name. */
  readonly owner: Name;
  readonly turn: number;
  /** Workloads to name. */
  readonly most: number;
}

function lookUpService(rest: Name, at: At): Found {
  const { named } = at;
  // "If there are no ready endpoints for the headless Service, the answer should be NXDOMAIN."
  if (named.type === "Headless" && named.workloads.length === 0) return nothing;
  const [first = "", second, third] = rest;
  if (third !== undefined) return nothing;
  if (rest.length === 0) return addresses(addressesOf(at));
  if (second === undefined)
    return first.startsWith("_") ? protocolFound(first, at) : memberFound(first, at);
  if (second.startsWith("_")) return portFound({ port: first, protocol: second }, at);
  if (named.type !== "Headless") return nothing;
  const here = named.workloads.filter((one) => one.member === second && one.hostname === first);
  return here.length === 0 ? nothing : addresses(here.map(({ address }) => address));
}

function addresses(ips: readonly string[]): Found {
  return { t: "records", records: ips.map((ip) => ({ t: "address", ip })) };
}

function addressesOf({ named, turn, most }: At): readonly string[] {
  if (named.type === "ClusterSetIP") return named.ips;
  return [...new Set(inTurn(named.workloads, { turn, most }).map(({ address }) => address))];
}

/** No record may name all workloads of one member; yet names below it exist, and "no such name" would deny them too (RFC 8020). */
function memberFound(member: string, { named }: At): Found {
  const isAbove = named.type === "Headless" && named.workloads.some((one) => one.member === member);
  return isAbove ? noRecords : nothing;
}

function protocolFound(protocol: string, { named }: At): Found {
  return named.ports.some((port) => port.name !== "" && protocolOf(port) === protocol)
    ? noRecords
    : nothing;
}

function protocolOf({ protocol }: { readonly protocol: string }): string {
  return `_${protocol.toLowerCase()}`;
}

function portFound(
  asked: { readonly port: string; readonly protocol: string },
  { named, owner, turn, most }: At,
): Found {
  const port = named.ports.find(
    (one) => one.name !== "" && `_${one.name}` === asked.port && protocolOf(one) === asked.protocol,
  );
  if (port === undefined) return nothing;
  if (named.type === "ClusterSetIP") {
    const records: RecordData[] = [{ t: "srv", port: port.port, target: owner }];
    return { t: "records", records, next: [[owner, named.ips]] };
  }
  const targets = new Map<string, { readonly name: Name; readonly port: number; ips: string[] }>();
  for (const workload of inTurn(named.workloads, { turn, most })) {
    const number = workload.ports[port.name];
    if (number === undefined) continue;
    const name = [workload.hostname, workload.member, ...owner];
    const text = name.join(".");
    if (text.length > maxNameChars) continue;
    const key = `${text} ${number}`;
    const target = targets.get(key) ?? { name, port: number, ips: [] };
    targets.set(key, target);
    target.ips.push(workload.address);
  }
  return {
    t: "records",
    records: [...targets.values()].map((one) => ({ t: "srv", port: one.port, target: one.name })),
    next: [...targets.values()].map(({ name, ips }) => [name, ips]),
  };
}

function inTurn(
  workloads: readonly NamedWorkload[],
  { turn, most }: Pick<At, "turn" | "most">,
): readonly NamedWorkload[] {
  const start = workloads.length === 0 ? 0 : turn % workloads.length;
  const first = workloads.slice(start, start + most);
  return [...first, ...workloads.slice(0, Math.min(start, most - first.length))];
}
