// A DNS server of the test's own: UDP and TCP on one port of loopback, answers as the test scripts them.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { isIp, parseIp } from "../../../src/mesh/address.ts";

export type RecordType = "A" | "AAAA";

export interface DnsRecord {
  /** An address, or for an alias the name it stands for. */
  readonly value: string;
  readonly ttlSeconds: number;
}

/** What the server does with a question. */
export type Reply =
  | { readonly t: "records"; readonly records: readonly DnsRecord[]; readonly alias?: DnsRecord }
  | { readonly t: "code"; readonly code: "NXDOMAIN" | "SERVFAIL" | "REFUSED" }
  /** Says nothing. */
  | { readonly t: "silence" }
  /** Over UDP the answer is cut; over TCP it is these records, or nothing listens. */
  | { readonly t: "truncated"; readonly overTcp: readonly DnsRecord[] | undefined }
  /** Bytes that are no DNS message. */
  | { readonly t: "junk" }
  /** First forged answers with these records (a wrong id, and a wrong question), then the true one. */
  | {
      readonly t: "forged";
      readonly forged: readonly DnsRecord[];
      readonly real: readonly DnsRecord[];
    };

export type Zone = Map<string, Partial<Record<RecordType, Reply>>>;

interface Question {
  readonly id: number;
  readonly name: string;
  readonly type: RecordType | undefined;
  /** The question section as it came. */
  readonly bytes: Buffer;
}

export class DnsServer implements AsyncDisposable {
  readonly zone: Zone = new Map();
  /** `A gw.example`, in the order they came. */
  readonly asked: string[] = [];
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  #waiting: (() => void)[] = [];

  private constructor(udp: UdpSocket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on("message", (message, from) => {
      for (const answer of this.#answers(message, "udp")) {
        udp.send(answer, from.port, from.address);
      }
    });
    tcp.on("connection", (socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", (data) => {
        for (const answer of this.#answers(data.subarray(2), "tcp")) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(answer.length);
          socket.write(Buffer.concat([length, answer]));
        }
        socket.end();
      });
    });
  }

  /** `host`: 127.0.0.1 or ::1. */
  static async start(host = "127.0.0.1"): Promise<DnsServer> {
    const tcp = createServer().listen(0, host);
    await once(tcp, "listening");
    const address = tcp.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const udp = createSocket(host.includes(":") ? "udp6" : "udp4");
    udp.bind(port, host);
    await once(udp, "listening");
    return new DnsServer(udp, tcp);
  }

  /** For `Resolver.setServers`. */
  get address(): string {
    const { address, port } = this.#udp.address();
    return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  }

  set(name: string, replies: Partial<Record<RecordType, Reply>>): void {
    this.zone.set(name, replies);
  }

  /** Resolves with the next question. */
  async nextQuestion(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#udp.close(() => resolve()));
    await new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
  }

  #answers(message: Buffer, over: "udp" | "tcp"): Buffer[] {
    const question = questionIn(message);
    if (question?.type === undefined) return [];
    this.asked.push(`${question.type} ${question.name}`);
    const woken = this.#waiting;
    this.#waiting = [];
    for (const wake of woken) wake();
    const replies = this.zone.get(question.name);
    const reply = replies?.[question.type] ?? (replies === undefined ? nxdomain : nodata);
    return answersFor(reply, { question, over });
  }
}

const nxdomain: Reply = { t: "code", code: "NXDOMAIN" };
const nodata: Reply = { t: "records", records: [] };
const codes = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

function answersFor(
  reply: Reply,
  to: { readonly question: Question; readonly over: "udp" | "tcp" },
): Buffer[] {
  const { question, over } = to;
  switch (reply.t) {
    case "silence":
      return [];
    case "junk":
      return [Buffer.from([question.id >> 8, question.id & 255, 0x81, 0x80, 0xff, 0xff, 1])];
    case "code":
      return [message(question, { records: [], code: codes[reply.code] })];
    case "records":
      return [message(question, reply)];
    case "truncated":
      if (over === "udp") return [message(question, { records: [], isTruncated: true })];
      return reply.overTcp === undefined ? [] : [message(question, { records: reply.overTcp })];
    case "forged": {
      const other = questionBytes("other.example", question.type);
      return [
        message({ ...question, id: question.id ^ 0x5555 }, { records: reply.forged }),
        message({ ...question, bytes: other }, { records: reply.forged }),
        message(question, { records: reply.real }),
      ];
    }
  }
}

/** RFC 1035, section 4.1. Undefined: not a question for an address. */
function questionIn(message: Buffer): Question | undefined {
  if (message.length < 17) return undefined;
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const kind = message.readUInt16BE(at + 1);
  return {
    id: message.readUInt16BE(0),
    name: labels.join(".").toLowerCase(),
    type: kind === 1 ? "A" : kind === 28 ? "AAAA" : undefined,
    bytes: message.subarray(12, at + 5),
  };
}

function questionBytes(name: string, type: RecordType | undefined): Buffer {
  return Buffer.concat([nameBytes(name), Buffer.from([0, type === "AAAA" ? 28 : 1, 0, 1])]);
}

function message(
  question: Question,
  content: {
    readonly records: readonly DnsRecord[];
    readonly alias?: DnsRecord;
    readonly code?: number;
    readonly isTruncated?: boolean;
  },
): Buffer {
  const { records, alias, code = 0, isTruncated = false } = content;
  const answers = [
    ...(alias === undefined ? [] : [recordBytes(pointerToQuestion, alias)]),
    ...records.map((record) =>
      recordBytes(alias === undefined ? pointerToQuestion : nameBytes(alias.value), record),
    ),
  ];
  const header = Buffer.alloc(12);
  header.writeUInt16BE(question.id, 0);
  // A recursive server's answer to a question that asked for recursion.
  header.writeUInt16BE(0x8180 | (isTruncated ? 0x0200 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  return Buffer.concat([header, question.bytes, ...answers]);
}

const pointerToQuestion = Buffer.from([0xc0, 12]);

function recordBytes(owner: Buffer, { value, ttlSeconds }: DnsRecord): Buffer {
  const content = isIp(value) ? addressBytes(value) : nameBytes(value);
  const type = !isIp(value) ? 5 : content.length === 4 ? 1 : 28;
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttlSeconds, 4);
  fixed.writeUInt16BE(content.length, 8);
  return Buffer.concat([owner, fixed, content]);
}

function addressBytes(text: string): Buffer {
  const ip = parseIp(text);
  const digits = (ip?.value ?? 0n).toString(16).padStart((ip?.bits ?? 32) / 4, "0");
  return Buffer.from(digits, "hex");
}

function nameBytes(name: string): Buffer {
  const labels = name
    .split(".")
    .flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([...labels, Buffer.from([0])]);
}
