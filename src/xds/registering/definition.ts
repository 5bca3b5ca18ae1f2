import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { HealthCheck, HealthProbe } from "../../mesh/health-check.ts";
import { parseServiceId, type ServiceId } from "../../mesh/ids.ts";
import {
  type GroupDefinition,
  type GroupPort,
  type GroupUpstream,
  readGroupId,
} from "../../mesh/workload-group.ts";
import { text } from "../wire-fields.ts";

// Written by hand: proto/isthmus/workload/v1/workload.proto.

const maxTextBytes = 1024;
// A group has at most 32 ports and 64 upstreams, a namespace may have many services.
const maxItems = 1024;

export function definitionBytes(of: GroupDefinition): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(of.id);
  writer.tag(2, WireType.LengthDelimited).string(of.serviceAccount);
  for (const { name, port, protocol } of of.ports) {
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(name);
    writer.tag(2, WireType.Varint).uint32(port);
    writer
      .tag(3, WireType.Varint)
      .bool(protocol === "UDP")
      .join();
  }
  writer.tag(4, WireType.LengthDelimited).string(of.zone);
  if (of.healthCheck !== undefined) {
    writer.tag(5, WireType.LengthDelimited).bytes(checkBytes(of.healthCheck));
  }
  for (const { service, port } of of.upstreams) {
    writer.tag(6, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(service);
    writer.tag(2, WireType.Varint).uint32(port).join();
  }
  for (const service of of.services.slice(0, maxItems)) {
    writer.tag(7, WireType.LengthDelimited).string(service);
  }
  writer.tag(8, WireType.Varint).uint64(of.unhealthyAfterMs);
  writer.tag(9, WireType.Varint).uint64(of.removeAfterMs);
  return writer.finish();
}

/** Throws on bytes that are no such message, and on names that are none. */
export function definitionIn(bytes: Uint8Array): GroupDefinition {
  const ports: GroupPort[] = [];
  const upstreams: GroupUpstream[] = [];
  const services: ServiceId[] = [];
  let healthCheck: HealthCheck | undefined;
  let [id, serviceAccount, zone] = ["", "", ""];
  let [unhealthyAfterMs, removeAfterMs] = [0, 0];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const kind = `${field} ${wireType === WireType.LengthDelimited ? "bytes" : wireType}`;
    if (ports.length + upstreams.length + services.length > 3 * maxItems) {
      throw new RangeError("it has too many parts");
    }
    if (kind === "1 bytes") id = text(reader, maxTextBytes, "group");
    else if (kind === "2 bytes") serviceAccount = text(reader, maxTextBytes, "service_account");
    else if (kind === "3 bytes") ports.push(portIn(reader.bytes()));
    else if (kind === "4 bytes") zone = text(reader, maxTextBytes, "zone");
    else if (kind === "5 bytes") healthCheck = checkIn(reader.bytes());
    else if (kind === "6 bytes") upstreams.push(upstreamIn(reader.bytes()));
    else if (kind === "7 bytes")
      services.push(parseServiceId(text(reader, maxTextBytes, "service")));
    else if (kind === `8 ${WireType.Varint}`) unhealthyAfterMs = Number(reader.uint64());
    else if (kind === `9 ${WireType.Varint}`) removeAfterMs = Number(reader.uint64());
    else reader.skip(wireType, field);
  }
  const group = readGroupId(id);
  if (group === undefined) throw new RangeError("it names no group");
  return {
    id: group,
    serviceAccount,
    ports,
    zone,
    ...(healthCheck === undefined ? {} : { healthCheck }),
    upstreams,
    services,
    unhealthyAfterMs,
    removeAfterMs,
  };
}

/** What small messages hold: the last of each field, texts and numbers. */
interface Plain {
  readonly texts: ReadonlyMap<number, readonly string[]>;
  readonly numbers: ReadonlyMap<number, number>;
  readonly inner: ReadonlyMap<number, Uint8Array>;
}

function plainIn(bytes: Uint8Array, innerFields: readonly number[] = []): Plain {
  const texts = new Map<number, string[]>();
  const numbers = new Map<number, number>();
  const inner = new Map<number, Uint8Array>();
  let count = 0;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    count += 1;
    if (count > maxItems) throw new RangeError("it has too many parts");
    if (wireType === WireType.Varint) numbers.set(field, reader.uint32());
    else if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (innerFields.includes(field)) inner.set(field, reader.bytes());
    else {
      const found = texts.get(field) ?? [];
      found.push(text(reader, maxTextBytes, "a text"));
      texts.set(field, found);
    }
  }
  return { texts, numbers, inner };
}

function portIn(bytes: Uint8Array): GroupPort {
  const { texts, numbers } = plainIn(bytes);
  const protocol = numbers.get(3) === 1 ? "UDP" : "TCP";
  return { name: texts.get(1)?.at(-1) ?? "", port: portOf(numbers.get(2)), protocol };
}

function upstreamIn(bytes: Uint8Array): GroupUpstream {
  const { texts, numbers } = plainIn(bytes);
  return { service: parseServiceId(texts.get(1)?.at(-1) ?? ""), port: portOf(numbers.get(2)) };
}

function portOf(value: number | undefined): number {
  if (value !== undefined && value >= 1 && value <= 65_535) return value;
  throw new RangeError("it has a port that is none");
}

const probeFields = { http: 1, tcp: 2, grpc: 3, exec: 4 } as const;

function checkBytes({ probe, ...rules }: HealthCheck): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(probeFields[probe.t], WireType.LengthDelimited).fork();
  if (probe.t === "exec") {
    for (const word of probe.command) writer.tag(1, WireType.LengthDelimited).string(word);
  } else writer.tag(1, WireType.Varint).uint32(probe.port);
  if (probe.t === "http") writer.tag(2, WireType.LengthDelimited).string(probe.path);
  if (probe.t === "grpc") writer.tag(2, WireType.LengthDelimited).string(probe.service ?? "");
  writer.join();
  writer.tag(5, WireType.Varint).uint32(rules.periodMs);
  writer.tag(6, WireType.Varint).uint32(rules.timeoutMs);
  writer.tag(7, WireType.Varint).uint32(rules.failureThreshold);
  writer.tag(8, WireType.Varint).uint32(rules.successThreshold);
  return writer.finish();
}

// As a WorkloadGroup takes them. Whoever answers in the agent's place makes no VM ask without a pause; a timer beyond
// 24 days would fire at once.
const times = { min: 100, max: 86_400_000 };
const thresholds = { min: 1, max: 100 };

/** Undefined: of a kind that this version does not know. */
function checkIn(bytes: Uint8Array): HealthCheck | undefined {
  const { numbers, inner } = plainIn(bytes, Object.values(probeFields));
  const probe = probeIn(inner);
  if (probe === undefined) return undefined;
  const within = (field: number, { min, max }: typeof times): number =>
    Math.min(max, Math.max(min, numbers.get(field) ?? min));
  return {
    probe,
    periodMs: within(5, times),
    timeoutMs: within(6, times),
    failureThreshold: within(7, thresholds),
    successThreshold: within(8, thresholds),
  };
}

function probeIn(inner: Plain["inner"]): HealthProbe | undefined {
  for (const [t, field] of Object.entries(probeFields)) {
    const bytes = inner.get(field);
    if (bytes === undefined) continue;
    const { texts, numbers } = plainIn(bytes);
    if (t === "exec") return { t, command: texts.get(1) ?? [] };
    const port = portOf(numbers.get(1));
    const word = texts.get(2)?.at(-1) ?? "";
    if (t === "http") return { t, port, path: word };
    if (t === "tcp") return { t, port };
    return { t: "grpc", port, ...(word === "" ? {} : { service: word }) };
  }
  return undefined;
}
