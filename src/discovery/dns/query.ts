import { classInternet, headerBytes, type Name, rcode, recordType } from "./wire.ts";

/** The one question of a message, as far as it can be understood. */
export interface Query {
  readonly id: number;
  readonly isRecursionDesired: boolean;
  readonly question: Question;
  /** Absent: the asker knows no EDNS. */
  readonly edns?: Edns;
}

export interface Question {
  /** Lower case. */
  readonly name: Name;
  /** Name, type and class as they were asked: a resolver that mixes cases wants the same back. */
  readonly bytes: Uint8Array;
  readonly type: number;
}

export interface Edns {
  /** Largest UDP message that the asker takes. */
  readonly maxBytes: number;
}

export type QueryReading =
  | { readonly t: "query"; readonly query: Query }
  /** To be answered with a bare header, so that the asker need not wait. */
  | { readonly t: "fault"; readonly id: number; readonly opcode: number; readonly rcode: number }
  /** `question` is there where it was understood. */
  | { readonly t: "refused"; readonly query: Query; readonly rcode: number }
  /** No query at all: an answer to it could start a loop, or reach somebody who never asked. */
  | { readonly t: "drop" };

const maxNameBytes = 255;
const maxLabelBytes = 63;
const maxAdditional = 4;
const minUdpBytes = 512;

/** Reads a message of anybody. Never throws. Source: RFC 1035 section 4, RFC 6891. */
export function readQuery(message: Uint8Array): QueryReading {
  if (message.length < headerBytes) return { t: "drop" };
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const flags = view.getUint16(2);
  if ((flags & 0x8000) !== 0) return { t: "drop" };
  const id = view.getUint16(0);
  const opcode = (flags >> 11) & 15;
  const fault = (code: number): QueryReading => ({ t: "fault", id, opcode, rcode: code });
  if (opcode !== 0) return fault(rcode.notImplemented);
  const counts = [4, 6, 8].map((offset) => view.getUint16(offset));
  if (counts.join() !== "1,0,0") return fault(rcode.formatError);
  const asked = nameAt(message, headerBytes);
  if (asked === undefined || asked.end + 4 > message.length) return fault(rcode.formatError);
  const end = asked.end + 4;
  const edns = ednsAt(view, { offset: end, count: view.getUint16(10) });
  if (edns.t === "broken") return fault(rcode.formatError);
  const query: Query = {
    id,
    isRecursionDesired: (flags & 0x0100) !== 0,
    question: {
      name: asked.name,
      bytes: message.subarray(headerBytes, end),
      type: view.getUint16(asked.end),
    },
    ...(edns.t !== "edns" ? {} : { edns: { maxBytes: Math.max(minUdpBytes, edns.maxBytes) } }),
  };
  if (edns.t === "edns" && edns.version !== 0) {
    return { t: "refused", query, rcode: rcode.badVersion };
  }
  if (view.getUint16(asked.end + 2) !== classInternet) {
    return { t: "refused", query, rcode: rcode.refused };
  }
  return { t: "query", query };
}

/** A question's name cannot be compressed: nothing stands before it. */
function nameAt(
  message: Uint8Array,
  start: number,
): { readonly name: Name; readonly end: number } | undefined {
  const name: string[] = [];
  let offset = start;
  for (;;) {
    const length = message[offset];
    if (length === undefined || length > maxLabelBytes) return undefined;
    const next = offset + 1 + length;
    if (next > message.length || next - start > maxNameBytes) return undefined;
    if (length === 0) return { name, end: next };
    name.push(labelOf(message.subarray(offset + 1, next)));
    offset = next;
  }
}

/** Bytes as they are: what is no ASCII is in no name of ours, and a dot inside a label is no dot between two. */
function labelOf(bytes: Uint8Array): string {
  let label = "";
  for (const byte of bytes) {
    const isUpper = byte >= 0x41 && byte <= 0x5a;
    label += byte === 0x2e ? "\\." : String.fromCharCode(isUpper ? byte + 0x20 : byte);
  }
  return label;
}

type EdnsReading =
  | { readonly t: "none" | "broken" }
  | { readonly t: "edns"; readonly maxBytes: number; readonly version: number };

function ednsAt(
  view: DataView,
  { offset, count }: { readonly offset: number; readonly count: number },
): EdnsReading {
  if (count > maxAdditional) return { t: "broken" };
  let found: EdnsReading = { t: "none" };
  let at = offset;
  for (let index = 0; index < count; index += 1) {
    const message = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const owner = nameAt(message, at);
    if (owner === undefined || owner.end + 10 > view.byteLength) return { t: "broken" };
    const { end } = owner;
    const type = view.getUint16(end);
    at = end + 10 + view.getUint16(end + 8);
    if (at > view.byteLength) return { t: "broken" };
    if (type !== recordType.OPT) continue;
    if (found.t === "edns" || owner.name.length > 0) return { t: "broken" };
    found = { t: "edns", maxBytes: view.getUint16(end + 2), version: view.getUint8(end + 5) };
  }
  return found;
}
