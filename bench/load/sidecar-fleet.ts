/** Sidecars of one member in a process of their own: each takes every cluster and its endpoints, as Envoy does. */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { NodeSchema } from "../../src/xds/gen/envoy/config/core/v3/base_pb.ts";
import { typeUrls } from "../../src/xds/resource.ts";
import { type GrpcStream, openGrpcStream } from "./h2-stream.ts";

export interface SidecarsOrder {
  readonly agent: { readonly host: string; readonly port: number };
  readonly count: number;
  /** Shared out among the sidecars: an agent takes so many connections of one certificate. */
  readonly identities: readonly {
    readonly account: string;
    readonly cert: string;
    readonly key: string;
    readonly ca: string;
  }[];
  readonly zone: string;
  /** Endpoint assignments that make a sidecar complete. */
  readonly expected: number;
}

export type ToSidecars =
  | { readonly t: "start"; readonly order: SidecarsOrder }
  /** From now on the next assignment of that name is waited for. */
  | { readonly t: "watch"; readonly name: string }
  | { readonly t: "stop" };

export type FromSidecars =
  | { readonly t: "ready"; readonly names: readonly string[] }
  | { readonly t: "watching" }
  /** Every sidecar has read it, and answers it next; when, by the monotonic clock of this machine. */
  | {
      readonly t: "seen";
      readonly firstNs: string;
      readonly medianNs: string;
      readonly lastNs: string;
    };

const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const dialing = 20;
const streams: GrpcStream[] = [];
const unanswered: (() => void)[] = [];
let watched = "";
let seen: bigint[] = [];
let ready = 0;
let count = 0;

function tell(message: FromSidecars): void {
  process.send?.(message);
}

process.on("message", (message: ToSidecars) => {
  switch (message.t) {
    case "start":
      void start(message.order);
      break;
    case "watch":
      watched = message.name;
      seen = [];
      tell({ t: "watching" });
      break;
    case "stop":
      for (const stream of streams) stream.close();
      process.disconnect();
      break;
  }
});

async function start(order: SidecarsOrder): Promise<void> {
  ({ count } = order);
  for (let made = 0; made < order.count; made += dialing) {
    const size = Math.min(dialing, order.count - made);
    await Promise.all(Array.from({ length: size }, (_, at) => sidecar(order, made + at)));
  }
}

async function sidecar(order: SidecarsOrder, index: number): Promise<void> {
  const identity = order.identities[index % order.identities.length];
  if (identity === undefined) throw new RangeError("a sidecar needs an identity");
  const { account, ...tls } = identity;
  const asked = new Set<string>();
  const held = new Set<string>();
  const { promise: whole, resolve: onWhole } = Promise.withResolvers<void>();
  const take = (response: Response): void => {
    if (response.names.includes(watched)) noteSeen();
    answerSoon(stream, response);
    if (response.typeUrl === typeUrls.cluster) {
      const names = response.names.filter((name) => !asked.has(name));
      for (const name of names) asked.add(name);
      if (names.length > 0) stream.send(subscription("endpoint", { names }));
      return;
    }
    if (isReady) return;
    for (const name of response.names) held.add(name);
    if (held.size < order.expected || held.size < asked.size) return;
    isReady = true;
    ready += 1;
    if (ready === count) tell({ t: "ready", names: [...held] });
    onWhole();
  };
  let isReady = false;
  const stream = await openGrpcStream({
    ...order.agent,
    path,
    tls,
    take: (message) => take(decode(message)),
    fail: (reason) => {
      process.stderr.write(`A sidecar failed: ${reason}\n`);
      process.exitCode = 1;
    },
  });
  streams.push(stream);
  stream.send(subscription("cluster", { node: nodeBytes({ index, account, zone: order.zone }) }));
  await whole;
}

/**
 * When all that has arrived was read. Sidecars are on machines of their own and answer at once; here they share a
 * core, and the one that is read last would wait until the answers of the others are written.
 */
function answerSoon(stream: GrpcStream, response: Response): void {
  unanswered.push(() => stream.send(answerTo(response)));
  if (unanswered.length > 1) return;
  setImmediate(() => {
    for (const answer of unanswered.splice(0)) answer();
  });
}

function noteSeen(): void {
  seen.push(process.hrtime.bigint());
  if (seen.length < count) return;
  watched = "";
  const at = (place: number): string => String(seen[place] ?? 0n);
  tell({ t: "seen", firstNs: at(0), medianNs: at(count >> 1), lastNs: at(count - 1) });
}

interface Response {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly names: readonly string[];
}

function decode(frame: Uint8Array): Response {
  const reader = new BinaryReader(frame);
  const names: string[] = [];
  let typeUrl = "";
  let nonce = "";
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 2) names.push(nameIn(reader.bytes()));
    else if (field === 4) typeUrl = reader.string();
    else if (field === 5) nonce = reader.string();
    else reader.skip(wireType, field);
  }
  return { typeUrl, nonce, names };
}

function nameIn(resource: Uint8Array): string {
  const reader = new BinaryReader(resource);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 3) return reader.string();
    reader.skip(wireType, field);
  }
  return "";
}

function answerTo({ typeUrl, nonce }: Response): Uint8Array {
  return new BinaryWriter()
    .tag(2, WireType.LengthDelimited)
    .string(typeUrl)
    .tag(6, WireType.LengthDelimited)
    .string(nonce)
    .finish();
}

function subscription(
  type: "cluster" | "endpoint",
  of: { readonly node?: Uint8Array; readonly names?: readonly string[] },
): Uint8Array {
  const writer = new BinaryWriter();
  if (of.node !== undefined) writer.tag(1, WireType.LengthDelimited).bytes(of.node);
  writer.tag(2, WireType.LengthDelimited).string(typeUrls[type]);
  for (const name of of.names ?? []) writer.tag(3, WireType.LengthDelimited).string(name);
  return writer.finish();
}

function nodeBytes(of: {
  readonly index: number;
  readonly account: string;
  readonly zone: string;
}): Uint8Array {
  const { index, account, zone } = of;
  const workload = `frontend-${index}`;
  const metadata = {
    role: "sidecar",
    engine: "envoy",
    namespace: "shop",
    workload,
    serviceAccount: account,
    zone,
  };
  const id = `sidecar/shop/${workload}/bench`;
  return toBinary(NodeSchema, create(NodeSchema, { id, metadata }));
}
