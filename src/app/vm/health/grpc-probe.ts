import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { reasonOf } from "../../../mesh/errors.ts";
import { dialLocal } from "../../dial.ts";
import type { ProbeOutcome } from "./health-judge.ts";

// Source: the gRPC health checking protocol, grpc.health.v1.
const path = "/grpc.health.v1.Health/Check";
const requestFields = { service: 1 } as const;
const responseFields = { status: 1 } as const;
const states = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] as const;
// An answer is one number.
const maxAnswerBytes = 4096;

/** Asks as the gRPC health checking protocol says, without TLS. Never rejects. */
export async function probeGrpc(
  { port, service = "" }: { readonly port: number; readonly service?: string | undefined },
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  // The library would dial again until its deadline, and say no more than that it passed.
  const door = await dialLocal(port, signal);
  if (door.t === "closed") return { t: "failed", reason: door.reason };
  const host = door.host.includes(":") ? `[${door.host}]` : door.host;
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": maxAnswerBytes,
    // Probes of several programs of this machine share nothing.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
  });
  try {
    const state = await stateOf(client, { service, signal });
    if (state === "SERVING") return { t: "passed" };
    return { t: "failed", reason: `${named(port, service)} answers ${state}` };
  } catch (thrown) {
    return { t: "failed", reason: `${named(port, service)}: ${reasonOf(thrown)}` };
  } finally {
    client.close();
  }
}

function named(port: number, service: string): string {
  return `gRPC health${service === "" ? "" : ` of ${service}`} on port ${port}`;
}

function stateOf(
  client: Client,
  { service, signal }: { readonly service: string; readonly signal: AbortSignal },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest<string, string>(
      path,
      encodeRequest,
      decodeState,
      service,
      new Metadata(),
      (error, state) => {
        signal.removeEventListener("abort", cancel);
        if (error !== null) reject(error);
        else resolve(state ?? "nothing");
      },
    );
    const cancel = (): void => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
  });
}

function encodeRequest(service: string): Buffer {
  const writer = new BinaryWriter();
  if (service !== "") writer.tag(requestFields.service, WireType.LengthDelimited).string(service);
  return Buffer.from(writer.finish());
}

/** Throws on bytes that are no such message: the call then fails. */
function decodeState(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  let state = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === responseFields.status && wireType === WireType.Varint) state = reader.int32();
    else reader.skip(wireType, field);
  }
  return states[state] ?? `state ${state}`;
}
