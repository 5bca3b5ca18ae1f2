/** A fleet of xDS clients in a process of their own: one HTTP/2 connection and one delta stream each. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { typeUrls, type XdsType } from "../../src/xds/resource.ts";

export interface FleetOrder {
  readonly port: number;
  readonly count: number;
  /** What each client shows, in turns: an agent lets one certificate in only so often. Absent: plaintext. */
  readonly tls?: readonly { readonly cert: string; readonly key: string; readonly ca: string }[];
  /** Bytes of the node in each first request; Envoy's has 61 kB. */
  readonly nodeBytes: number;
  /** What a real agent admits: the sidecar that the certificate is of. */
  readonly sidecar?: {
    readonly namespace: string;
    readonly serviceAccount: string;
    /** Each client is in the next one. */
    readonly zones: readonly string[];
  };
  /** First requests, in order; no names: the wildcard. */
  readonly subscriptions: readonly { readonly type: XdsType; readonly names: readonly string[] }[];
  /** Resources that make a client complete. */
  readonly expected: number;
}

export type ToFleet =
  | { readonly t: "start"; readonly order: FleetOrder }
  | { readonly t: "arm" }
  | { readonly t: "stop" };

export type FromFleet =
  | { readonly t: "ready" }
  | { readonly t: "armed" }
  /** Each client has got one response since `armed`; times of the monotonic clock of this machine. */
  | { readonly t: "reached"; readonly lastNs: string; readonly medianNs: string };

// As in the bootstrap that proxies get: a window of 64 KiB for the stream, 1 MiB for the connection.
const connectionWindowBytes = 1024 * 1024;
// Handshakes at a time: more only wait in the kernel.
const dialing = 32;

const sessions: ClientHttp2Session[] = [];
let reached: bigint[] = [];
let isArmed = false;
let readyCount = 0;

function tell(message: FromFleet): void {
  process.send?.(message);
}

process.on("message", (message: ToFleet) => {
  switch (message.t) {
    case "start":
      void start(message.order);
      break;
    case "arm":
      reached = [];
      isArmed = true;
      tell({ t: "armed" });
      break;
    case "stop":
      for (const session of sessions) session.destroy();
      process.disconnect();
      break;
  }
});

async function start(order: FleetOrder): Promise<void> {
  for (let made = 0; made < order.count; made += dialing) {
    const batch = Array.from({ length: Math.min(dialing, order.count - made) }, (_, i) =>
      client(order, made + i),
    );
    await Promise.all(batch);
  }
}

async function client(order: FleetOrder, index: number): Promise<void> {
  const scheme = order.tls === undefined ? "http" : "https";
  const session = connect(`${scheme}://127.0.0.1:${order.port}`, {
    ...order.tls?.[index % order.tls.length],
    servername: "agent",
    checkServerIdentity: () => undefined,
  });
  sessions.push(session);
  await new Promise((resolve) => session.once("connect", resolve));
  session.setLocalWindowSize(connectionWindowBytes);
  const stream = session.request({
    ":method": "POST",
    ":path": "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    "content-type": "application/grpc",
    te: "trailers",
  });
  for (const [at, { type, names }] of order.subscriptions.entries()) {
    stream.write(framed(requestOf(type, names, at === 0 ? node(order, index) : undefined)));
  }
  await complete(stream, order);
}

/** Answers every response; resolves when all expected resources are there. */
function complete(stream: ClientHttp2Stream, order: FleetOrder): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    let isComplete = false;
    let rest: Buffer = Buffer.alloc(0);
    stream.on("data", (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        const { ack, resources } = answerTo(rest.subarray(5, end));
        rest = rest.subarray(end);
        stream.write(framed(ack));
        count += resources;
        noteReached(order);
      }
      if (rest.length === 0) rest = Buffer.alloc(0);
      if (isComplete || count < order.expected) return;
      isComplete = true;
      readyCount += 1;
      resolve();
      if (readyCount === order.count) tell({ t: "ready" });
    });
    stream.on("error", (error) => {
      process.stderr.write(`A client failed: ${error.message}\n`);
      process.exitCode = 1;
    });
  });
}

function noteReached(order: FleetOrder): void {
  if (!isArmed) return;
  reached.push(process.hrtime.bigint());
  if (reached.length < order.count) return;
  isArmed = false;
  const last = reached.at(-1) ?? 0n;
  const median = reached[Math.floor(reached.length / 2)] ?? 0n;
  tell({ t: "reached", lastNs: String(last), medianNs: String(median) });
}

function answerTo(response: Uint8Array): { readonly ack: Uint8Array; readonly resources: number } {
  const reader = new BinaryReader(response);
  let typeUrl = "";
  let nonce = "";
  let resources = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 4) typeUrl = reader.string();
    else if (field === 5) nonce = reader.string();
    else reader.skip(wireType, field);
    if (field === 2) resources += 1;
  }
  const ack = new BinaryWriter()
    .tag(2, WireType.LengthDelimited)
    .string(typeUrl)
    .tag(6, WireType.LengthDelimited)
    .string(nonce)
    .finish();
  return { ack, resources };
}

function requestOf(
  type: XdsType,
  names: readonly string[],
  first: Uint8Array | undefined,
): Uint8Array {
  const writer = new BinaryWriter();
  if (first !== undefined) writer.tag(1, WireType.LengthDelimited).bytes(first);
  writer.tag(2, WireType.LengthDelimited).string(typeUrls[type]);
  for (const name of names) writer.tag(3, WireType.LengthDelimited).string(name);
  return writer.finish();
}

/** An id, what the sidecar says of itself, and filler where Envoy lists its extensions. */
function node(order: FleetOrder, index: number): Uint8Array {
  const writer = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(`sidecar/${order.sidecar?.namespace ?? "bench"}/client-${index}/${index}`);
  const metadata = metadataOf(order, index);
  if (metadata !== undefined) writer.tag(3, WireType.LengthDelimited).bytes(metadata);
  return writer.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(order.nodeBytes)).finish();
}

function metadataOf({ sidecar }: FleetOrder, index: number): Uint8Array | undefined {
  if (sidecar === undefined) return undefined;
  const { zones, ...account } = sidecar;
  const zone = zones[index % zones.length] ?? "";
  const workload = `client-${index}`;
  return toBinary(
    StructSchema,
    fromJson(StructSchema, { role: "sidecar", engine: "envoy", workload, zone, ...account }),
  );
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}
