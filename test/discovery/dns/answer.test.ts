import assert from "node:assert/strict";
import { test } from "node:test";
import packet, { type DecodedPacket, type Packet } from "dns-packet";
import { answerMessage } from "../../../src/discovery/dns/answer.ts";
import { encodeAnswer } from "../../../src/discovery/dns/encode.ts";
import { readQuery } from "../../../src/discovery/dns/query.ts";
import { maxUdpBytes } from "../../../src/discovery/dns/wire.ts";
import { cartName, madeZone, manyWorkloads } from "./support/made-zone.ts";

const services = madeZone();

interface Asking {
  readonly transport?: "udp" | "tcp";
  readonly turn?: number;
  readonly change?: Partial<Packet>;
  readonly udpPayloadSize?: number;
}

function ask(name: string, type: string, how: Asking = {}): DecodedPacket {
  const { transport = "udp", turn = 0, change = {}, udpPayloadSize } = how;
  const question = packet.encode({
    type: "query",
    id: 77,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type: type as "A" }],
    ...(udpPayloadSize === undefined
      ? {}
      : {
          additionals: [
            {
              type: "OPT",
              name: ".",
              udpPayloadSize,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
        }),
    ...change,
  });
  const zones = [["clusterset", "local"]];
  const { message } = answerMessage(question, { zones, services, transport, turn });
  assert.ok(message);
  return packet.decode(Buffer.from(message));
}

function said(name: string, type: string, how: Asking = {}): string {
  const { rcode, answers = [] } = ask(name, type, how) as DecodedPacket & { rcode: string };
  const data = answers.map((one) => {
    if (!("data" in one)) return one.type;
    if (one.type === "SRV") return `${one.data.port} ${one.data.target}`;
    return one.type === "TXT" ? String(one.data) : JSON.stringify(one.data);
  });
  return [rcode, ...data].join(" ").replaceAll('"', "");
}

const web = "web.shop.svc.clusterset.local";
const answers: readonly (readonly [string, string, string])[] = [
  [cartName, "A", "NOERROR 10.96.0.7"],
  [cartName, "AAAA", "NOERROR fd00:96::7"],
  [cartName, "TXT", "NOERROR"],
  [`_http._tcp.${cartName}`, "SRV", `NOERROR 80 ${cartName}`],
  [`_tcp.${cartName}`, "SRV", "NOERROR"],
  [`_udp.${cartName}`, "SRV", "NXDOMAIN"],
  [`_http._udp.${cartName}`, "SRV", "NXDOMAIN"],
  [`__._tcp.${cartName}`, "SRV", "NXDOMAIN"],
  [`east.${cartName}`, "A", "NXDOMAIN"],
  [`a.east.${cartName}`, "A", "NXDOMAIN"],
  ["soon.shop.svc.clusterset.local", "A", "NOERROR"],
  [web, "A", "NOERROR 10.0.0.1 10.0.0.2"],
  [web, "AAAA", "NOERROR fd00::3"],
  [
    `_http._tcp.${web}`,
    "SRV",
    `NOERROR 8080 web-0.east.${web} 8080 web-0.west.${web} 9090 web-1.west.${web}`,
  ],
  [`web-0.east.${web}`, "A", "NOERROR 10.0.0.1"],
  [`web-1.west.${web}`, "AAAA", "NOERROR fd00::3"],
  [`web-1.east.${web}`, "A", "NXDOMAIN"],
  [`east.${web}`, "A", "NOERROR"],
  [`south.${web}`, "A", "NXDOMAIN"],
  [`x.web-0.east.${web}`, "A", "NXDOMAIN"],
  ["idle.shop.svc.clusterset.local", "A", "NXDOMAIN"],
  ["_http._tcp.idle.shop.svc.clusterset.local", "SRV", "NXDOMAIN"],
  ["nobody.shop.svc.clusterset.local", "A", "NXDOMAIN"],
  ["shop.svc.clusterset.local", "A", "NOERROR"],
  ["nowhere.svc.clusterset.local", "A", "NXDOMAIN"],
  ["svc.clusterset.local", "A", "NOERROR"],
  ["other.clusterset.local", "A", "NXDOMAIN"],
  ["dns-version.clusterset.local", "TXT", "NOERROR 1.0.0"],
  ["clusterset.local", "NS", "NOERROR ns.dns.clusterset.local"],
  ["cart.shop.svc.cluster.local", "A", "REFUSED"],
  ["local", "A", "REFUSED"],
  [".", "NS", "REFUSED"],
  [cartName, "AXFR", "REFUSED"],
  [cartName, "ANY", "REFUSED"],
  ["CART.Shop.SVC.ClusterSet.LOCAL", "A", "NOERROR 10.96.0.7"],
];

for (const [name, type, wanted] of answers) {
  test(`${type} of ${name} is ${wanted}`, () => assert.equal(said(name, type), wanted));
}

test("an answer is authoritative, repeats the question as it was asked, and is none of a resolver", () => {
  const name = "CaRt.shop.svc.clusterset.local";
  const decoded = ask(name, "A");
  assert.deepEqual(
    [decoded.id, decoded.flag_aa, decoded.flag_rd, decoded.flag_ra, decoded.questions?.[0]?.name],
    [77, true, true, false, name],
  );
});

test("what is not there is said with the zone's SOA, to be kept for seconds", () => {
  for (const name of ["nobody.shop.svc.clusterset.local", "soon.shop.svc.clusterset.local"]) {
    const [soa] = ask(name, "A").authorities ?? [];
    assert.ok(soa?.type === "SOA");
    assert.deepEqual([soa.name, soa.ttl, soa.data.minimum], ["clusterset.local", 5, 5]);
  }
});

test("an SRV answer brings the addresses that are asked for next", () => {
  const records = ask(`_http._tcp.${web}`, "SRV").additionals ?? [];
  assert.deepEqual(
    records.map((one) => `${one.name} ${"data" in one ? JSON.stringify(one.data) : ""}`),
    [`web-0.east.${web} "10.0.0.1"`, `web-0.west.${web} "10.0.0.2"`, `web-1.west.${web} "fd00::3"`],
  );
});

test("callers that take the first workload spread over all", () => {
  assert.equal(said(web, "A", { turn: 1 }), "NOERROR 10.0.0.2 10.0.0.1");
});

test("what does not fit into the asker's datagram is cut, and whole by TCP", () => {
  const many = "many.shop.svc.clusterset.local";
  const cut = ask(many, "A");
  assert.deepEqual([cut.flag_tc, cut.answers?.length], [true, 0]);
  assert.equal(ask(many, "A", { transport: "tcp" }).answers?.length, manyWorkloads);
  // An asker that takes more gets what fits into 1232 bytes.
  const some = "some.shop.svc.clusterset.local";
  assert.equal(ask(some, "A").flag_tc, true);
  const edns = ask(some, "A", { udpPayloadSize: 4096 });
  assert.deepEqual([edns.flag_tc, edns.answers?.length], [false, 60]);
  assert.equal(ask(many, "A", { udpPayloadSize: 65_535 }).flag_tc, true);
});

test("an agent that does not know all imports yet denies none", () => {
  const asked = packet.encode({ type: "query", questions: [{ name: cartName, type: "A" }] });
  const zones = [["clusterset", "local"]];
  const early = { ...services, isKnown: () => false };
  const { rcode } = answerMessage(asked, { zones, services: early, transport: "udp", turn: 0 });
  assert.equal(rcode, 2);
});

test("EDNS is answered with EDNS, and a version that is none of ours is refused", () => {
  const [opt] = ask(cartName, "A", { udpPayloadSize: 4096 }).additionals ?? [];
  assert.ok(opt?.type === "OPT");
  assert.equal(opt.udpPayloadSize, maxUdpBytes);
  assert.deepEqual(ask(cartName, "A").additionals, []);
  const asked = packet.encode({
    type: "query",
    questions: [{ name: cartName, type: "A" }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: 1000,
        extendedRcode: 0,
        ednsVersion: 1,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  const zones = [["clusterset", "local"]];
  const { rcode } = answerMessage(asked, { zones, services, transport: "udp", turn: 0 });
  assert.equal(rcode, 16);
});

test("what is no query is dropped, what is none of ours is answered with a bare header", () => {
  const query = packet.encode({ type: "query", id: 5, questions: [{ name: cartName, type: "A" }] });
  const changed = (offset: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = Uint8Array.from(query);
    copy.set(bytes, offset);
    return copy;
  };
  const zones = [["clusterset", "local"]];
  const faultOf = (message: Uint8Array): unknown => {
    const answered = answerMessage(message, { zones, services, transport: "udp", turn: 0 });
    return answered.message === undefined ? "dropped" : [answered.rcode, answered.message.length];
  };
  assert.equal(faultOf(query.subarray(0, 11)), "dropped");
  assert.equal(faultOf(changed(2, 0x80)), "dropped");
  assert.deepEqual(faultOf(changed(2, 0x28)), [4, 12]);
  assert.deepEqual(faultOf(changed(4, 0, 2)), [1, 12]);
  assert.deepEqual(faultOf(changed(4, 0, 0)), [1, 12]);
  assert.deepEqual(faultOf(changed(6, 0, 1)), [1, 12]);
  assert.deepEqual(faultOf(query.subarray(0, 20)), [1, 12]);
  assert.deepEqual(faultOf(changed(12, 0xc0, 12)), [1, 12]);
  assert.deepEqual(faultOf(changed(12, 64)), [1, 12]);
  // The class CHAOS.
  assert.equal((faultOf(changed(query.length - 1, 3)) as number[])[0], 5);
});

test("a dot inside a label is no dot between two", () => {
  const name = Buffer.from("\x09cart.shop\x03svc\x0aclusterset\x05local\0\0\x01\0\x01", "latin1");
  const header = Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const reading = readQuery(Buffer.concat([header, name]));
  assert.equal(reading.t, "query");
  const zones = [["clusterset", "local"]];
  const asked = Buffer.concat([header, name]);
  assert.equal(answerMessage(asked, { zones, services, transport: "udp", turn: 0 }).rcode, 3);
});

test("names share their ends, so that sixty addresses fit where single ones would not", () => {
  const reading = readQuery(
    packet.encode({ type: "query", questions: [{ name: cartName, type: "A" }] }),
  );
  assert.ok(reading.t === "query");
  const owner = cartName.split(".");
  const answers = Array.from({ length: 20 }, (_, index) => ({
    owner,
    ttlSeconds: 5,
    data: { t: "address", ip: `10.0.0.${index}` } as const,
  }));
  const answer = { rcode: 0, isAuthoritative: true, answers, authority: [], additional: [] };
  const bytes = encodeAnswer(reading.query, answer, "tcp");
  assert.equal(bytes.length, 12 + cartName.length + 2 + 4 + 20 * 16);
});
