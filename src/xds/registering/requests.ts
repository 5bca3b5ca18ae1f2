import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Decoded, limited, text } from "../wire-fields.ts";

// Written by hand, as announce.ts: proto/isthmus/workload/v1/workload.proto.

/** gRPC path of the stream that a registered workload keeps open. */
export const registerPath = "/isthmus.workload.v1.WorkloadService/Register";

/** gRPC path of the call that says what a group's workloads are told. */
export const describePath = "/isthmus.workload.v1.WorkloadService/Describe";

/** What a workload's own checks say of it. `unknown`: not asked yet. */
export type StatedHealth = "unknown" | "healthy" | "unhealthy";

export interface HealthChange {
  readonly health: StatedHealth;
  /** For people; may be empty. */
  readonly reason: string;
}

/** Who a workload is, as it says itself. */
export interface Registration {
  /** As written, NAMESPACE/NAME. */
  readonly group: string;
  /** 16 to 64 bytes that only this workload has. */
  readonly instanceSecret: Uint8Array;
  readonly name: string;
  readonly address: string;
  /** Empty: its group's. */
  readonly zone: string;
  readonly version: string;
  readonly health: HealthChange;
}

export type RegisterRequest =
  | { readonly t: "registration"; readonly registration: Registration }
  | { readonly t: "health"; readonly change: HealthChange }
  | { readonly t: "leaving"; readonly waitMs: number };

export const instanceSecretBytes = { min: 16, max: 64 } as const;

// Namespace, name and the slash.
const maxGroupBytes = 320;
const maxNameBytes = 253;
const maxAddressBytes = 64;
const maxZoneBytes = 63;
const maxVersionBytes = 64;
const maxReasonBytes = 512;
/** A registration with all of it; nothing else is larger. */
export const maxRegisterBytes: number = 4096;

const healths = ["unknown", "healthy", "unhealthy"] as const;

export function encodeRegisterRequest(request: RegisterRequest): Buffer {
  const writer = new BinaryWriter();
  switch (request.t) {
    case "registration":
      writer.tag(1, WireType.LengthDelimited).bytes(registrationBytes(request.registration));
      break;
    case "health":
      writer.tag(2, WireType.LengthDelimited).bytes(healthBytes(request.change));
      break;
    case "leaving": {
      const leaving = new BinaryWriter().tag(1, WireType.Varint).uint32(request.waitMs).finish();
      writer.tag(3, WireType.LengthDelimited).bytes(leaving);
      break;
    }
  }
  return Buffer.from(writer.finish());
}

/** Never throws. Whether names and addresses mean something is for the reader to judge. */
export function decodeRegisterRequest(bytes: Uint8Array): Decoded<RegisterRequest> {
  if (bytes.length > maxRegisterBytes) {
    return { t: "refused", reason: `it is longer than ${maxRegisterBytes} bytes` };
  }
  try {
    const value = requestIn(bytes);
    return value === undefined ? { t: "refused", reason: "it says nothing" } : { t: "ok", value };
  } catch (thrown) {
    const reason = thrown instanceof RangeError ? thrown.message : "it is no such message";
    return { t: "refused", reason };
  }
}

function requestIn(bytes: Uint8Array): RegisterRequest | undefined {
  let found: RegisterRequest | undefined;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === 1)
      found = { t: "registration", registration: registrationIn(reader.bytes()) };
    else if (field === 2) found = { t: "health", change: healthIn(reader.bytes()) };
    else if (field === 3) found = { t: "leaving", waitMs: waitIn(reader.bytes()) };
    else reader.skip(wireType, field);
  }
  return found;
}

function registrationBytes(of: Registration): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(of.group);
  writer.tag(2, WireType.LengthDelimited).bytes(of.instanceSecret);
  writer.tag(3, WireType.LengthDelimited).string(of.name);
  writer.tag(4, WireType.LengthDelimited).string(of.address);
  writer.tag(5, WireType.LengthDelimited).string(of.zone);
  writer.tag(6, WireType.LengthDelimited).string(of.version);
  writer.tag(7, WireType.LengthDelimited).bytes(healthBytes(of.health));
  return writer.finish();
}

function registrationIn(bytes: Uint8Array): Registration {
  const found: { -readonly [Key in keyof Registration]: Registration[Key] } = {
    group: "",
    instanceSecret: new Uint8Array(),
    name: "",
    address: "",
    zone: "",
    version: "",
    health: { health: "unknown", reason: "" },
  };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
    else if (field === 1) found.group = text(reader, maxGroupBytes, "group");
    else if (field === 2)
      found.instanceSecret = limited(reader.bytes(), instanceSecretBytes.max, "instance_secret");
    else if (field === 3) found.name = text(reader, maxNameBytes, "name");
    else if (field === 4) found.address = text(reader, maxAddressBytes, "address");
    else if (field === 5) found.zone = text(reader, maxZoneBytes, "zone");
    else if (field === 6) found.version = text(reader, maxVersionBytes, "version");
    else if (field === 7) found.health = healthIn(reader.bytes());
    else reader.skip(wireType, field);
  }
  return found;
}

function healthBytes({ health, reason }: HealthChange): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).uint32(healths.indexOf(health));
  writer.tag(2, WireType.LengthDelimited).string(cut(reason));
  return writer.finish();
}

function healthIn(bytes: Uint8Array): HealthChange {
  let health: StatedHealth = "unknown";
  let reason = "";
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    // What a later version says beyond these is not known here.
    if (field === 1 && wireType === WireType.Varint) health = healths[reader.uint32()] ?? "unknown";
    else if (field === 2 && wireType === WireType.LengthDelimited)
      reason = text(reader, maxReasonBytes, "reason");
    else reader.skip(wireType, field);
  }
  return { health, reason };
}

function waitIn(bytes: Uint8Array): number {
  let waitMs = 0;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.Varint) waitMs = reader.uint32();
    else reader.skip(wireType, field);
  }
  return waitMs;
}

/** A reason is what some program printed; of a cut one the last character may be half. */
function cut(reason: string): string {
  const bytes = Buffer.from(reason);
  if (bytes.length <= maxReasonBytes) return reason;
  return bytes
    .subarray(0, maxReasonBytes - 4)
    .toString("utf8")
    .replace(/\uFFFD$/, "");
}
