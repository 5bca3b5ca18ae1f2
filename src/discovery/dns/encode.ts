import { MessageWriter } from "./message-writer.ts";
import type { Query } from "./query.ts";
import { headerBytes, maxUdpBytes, type ResourceRecord, rcode } from "./wire.ts";

/** What is to be said to a question. */
export interface Answer {
  readonly rcode: number;
  /** Whether we are the ones to ask. */
  readonly isAuthoritative: boolean;
  readonly answers: readonly ResourceRecord[];
  /** Says how long there will be nothing else; only without answers. */
  readonly authority: readonly ResourceRecord[];
  /** What the asker would ask next. */
  readonly additional: readonly ResourceRecord[];
}

const maxTcpBytes = 65_535;
const plainUdpBytes = 512;

/** A bare header: something was asked that cannot be repeated. */
export function encodeFault(fault: {
  readonly id: number;
  readonly opcode: number;
  readonly rcode: number;
}): Uint8Array {
  const message = new Uint8Array(headerBytes);
  const view = new DataView(message.buffer);
  view.setUint16(0, fault.id);
  view.setUint16(2, 0x8000 | (fault.opcode << 11) | fault.rcode);
  return message;
}

/**
 * The answer as it goes out. What does not fit into a datagram that the asker takes is left out:
 * additional records silently, answers with the bit that says to ask again by TCP.
 */
export function encodeAnswer(query: Query, answer: Answer, transport: "udp" | "tcp"): Uint8Array {
  const asked = query.edns?.maxBytes ?? plainUdpBytes;
  const limit = transport === "tcp" ? maxTcpBytes : Math.min(asked, maxUdpBytes);
  const fitting =
    encodeWithin(limit, query, answer) ?? encodeWithin(limit, query, { ...answer, additional: [] });
  if (fitting !== undefined) return fitting;
  const nothing = { ...answer, answers: [], authority: [], additional: [] };
  // A question takes 271 bytes at most, every asker takes 512.
  const cut = encodeWithin(maxTcpBytes, query, nothing) ?? new Uint8Array(0);
  cut[2] = (cut[2] ?? 0) | 0x02;
  return cut;
}

/** Undefined as soon as it gets longer: the rest of a thousand records would be written for nobody. */
function encodeWithin(limit: number, query: Query, answer: Answer): Uint8Array | undefined {
  const { question, edns } = query;
  const writer = new MessageWriter();
  const flags =
    0x8000 |
    (answer.isAuthoritative ? 0x0400 : 0) |
    (query.isRecursionDesired ? 0x0100 : 0) |
    (answer.rcode & 15);
  const additional = answer.additional.length + (edns === undefined ? 0 : 1);
  const counts = [1, answer.answers.length, answer.authority.length, additional];
  for (const word of [query.id, flags, ...counts]) writer.word(word);
  writer.question(question.bytes, question.name);
  for (const record of [...answer.answers, ...answer.authority, ...answer.additional]) {
    writer.record(record);
    if (writer.length > limit) return undefined;
  }
  if (edns !== undefined) writer.edns(answer.rcode >> 4);
  return writer.length > limit ? undefined : writer.bytes();
}

/** Nothing to say but how it went. */
export function emptyAnswer(code: number): Answer {
  return {
    rcode: code,
    isAuthoritative: code === rcode.ok || code === rcode.noSuchName,
    answers: [],
    authority: [],
    additional: [],
  };
}
