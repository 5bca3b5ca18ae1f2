import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import packet from "dns-packet";
import { createAnswerPace } from "../../../src/discovery/dns/answer-pace.ts";
import type { DnsLimits, DnsServer } from "../../../src/discovery/io/dns-server.ts";
import { startDnsServer } from "../../../src/discovery/io/dns-server.ts";
import type { Clock } from "../../../src/mesh/ports.ts";
import { cartName, madeZone, manyWorkloads } from "../dns/support/made-zone.ts";

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const counted = new Map<string, number>();
const telemetry = {
  count: (key: string, labels: object): void => {
    const name = [key, ...Object.values(labels)].join(" ");
    counted.set(name, (counted.get(name) ?? 0) + 1);
  },
};
const start = (limits: Partial<DnsLimits> = {}): Promise<DnsServer> =>
  startDnsServer({
    listen: { host: "127.0.0.1", port: 0 },
    zones: [["clusterset", "local"]],
    services: madeZone(),
    clock,
    telemetry,
    limits,
  });

let server: DnsServer;
before(async () => {
  server = await start();
});
after(() => server[Symbol.asyncDispose]());

function resolverOf({ address }: DnsServer): Resolver {
  const resolver = new Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers([`${address.host}:${address.port}`]);
  return resolver;
}

async function dial({ address }: DnsServer): Promise<Socket> {
  const socket = connect(address.port, address.host);
  await once(socket, "connect");
  return socket;
}

test("a resolver finds addresses, ports and the version of the schema", async () => {
  const resolver = resolverOf(server);
  assert.deepEqual(await resolver.resolve4(cartName), ["10.96.0.7"]);
  assert.deepEqual(await resolver.resolve6(cartName), ["fd00:96::7"]);
  assert.deepEqual(await resolver.resolveTxt("dns-version.clusterset.local"), [["1.0.0"]]);
  const [srv] = await resolver.resolveSrv(`_http._tcp.${cartName}`);
  assert.deepEqual([srv?.name, srv?.port], [cartName, 80]);
  assert.deepEqual(await resolver.resolve4("web-0.east.web.shop.svc.clusterset.local"), [
    "10.0.0.1",
  ]);
  const soa = await resolver.resolveSoa("clusterset.local");
  assert.equal(soa.minttl, 5);
});

test("a resolver is told what is not there", async () => {
  const resolver = resolverOf(server);
  await assert.rejects(resolver.resolve4("nobody.shop.svc.clusterset.local"), {
    code: "ENOTFOUND",
  });
  await assert.rejects(resolver.resolve4("soon.shop.svc.clusterset.local"), { code: "ENODATA" });
  await assert.rejects(resolver.resolve4("example.com"), { code: "EREFUSED" });
});

test("a resolver asks by TCP for what no datagram holds", async () => {
  const before = counted.get("dnsAnswers tcp ok") ?? 0;
  const found = await resolverOf(server).resolve4("many.shop.svc.clusterset.local");
  assert.equal(found.length, manyWorkloads);
  assert.equal(counted.get("dnsAnswers tcp ok"), before + 1);
});

test("one connection carries several questions, cut anywhere", async () => {
  const socket = await dial(server);
  const question = packet.streamEncode({
    type: "query",
    id: 9,
    questions: [{ name: cartName, type: "A" }],
  });
  const both = Buffer.concat([question, question]);
  socket.write(both.subarray(0, 5));
  socket.write(both.subarray(5));
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    const length = bytes.length > 1 ? bytes.readUInt16BE(0) + 2 : Number.POSITIVE_INFINITY;
    if (bytes.length >= 2 * length) break;
  }
  const decoded = packet.streamDecode(bytes.subarray(0, bytes.length / 2));
  assert.equal(decoded.id, 9);
  assert.equal(decoded.answers?.length, 1);
});

test("who breaks the framing, sends nothing whole, or comes when all places are taken, is put out", async () => {
  await using strict = await start({ idleMs: 50, connections: 1 });
  const broken = await dial(strict);
  broken.write(Buffer.from([0, 0]));
  await once(broken, "close");
  const slow = await dial(strict);
  slow.write(Buffer.from([0, 40, 1]));
  await once(slow, "close");
  const first = await dial(strict);
  const second = await dial(strict);
  await once(first, "close");
  second.destroy();
  assert.equal(counted.get("dnsDropped malformed"), 1);
  assert.ok((counted.get("dnsDropped too slow") ?? 0) >= 1);
  assert.equal(counted.get("dnsDropped too many"), 1);
});

test("what comes beyond the pace is not answered, and the next second is", async () => {
  await using paced = await start({ answersPerSecond: 20 });
  const { port } = paced.address;
  const question = packet.encode({ type: "query", questions: [{ name: cartName, type: "A" }] });
  const before = counted.get("dnsDropped too many") ?? 0;
  const udp = createSocket("udp4");
  for (let index = 0; index < 60; index += 1) udp.send(question, port, "127.0.0.1");
  await once(udp, "message");
  assert.deepEqual(await resolverOf(paced).resolve4(cartName), ["10.96.0.7"]);
  udp.close();
  assert.ok((counted.get("dnsDropped too many") ?? 0) > before);
});

test("an asker that asks for what is large without end is put out before it costs more than its part", async () => {
  const name = "many.shop.svc.clusterset.local";
  const before = counted.get("dnsAnswers tcp ok") ?? 0;
  await using paced = await start({ answersPerSecond: 800 });
  const socket = await dial(paced);
  const question = packet.streamEncode({ type: "query", questions: [{ name, type: "A" }] });
  socket.write(Buffer.concat(Array.from({ length: 500 }, () => question)));
  socket.resume();
  await once(socket, "close");
  const answered = (counted.get("dnsAnswers tcp ok") ?? 0) - before;
  const costOfOne = 1 + manyWorkloads / 8;
  assert.ok(answered >= 1 && answered <= Math.ceil(100 / costOfOne), String(answered));
});

test("one asker that asks without end leaves the others their part", async () => {
  const pace = createAnswerPace({ burst: 100, perSecond: 100 });
  const taken = (asker: string, nowMs: number): number =>
    Array.from({ length: 200 }, () => pace.isDue(asker, nowMs)).filter(Boolean).length;
  assert.equal(taken("10.0.0.1", 0), 25);
  assert.equal(taken("10.0.0.2", 0), 25);
  pace.charge("10.0.0.1", 100);
  assert.equal(taken("10.0.0.1", 1000), 0);
  assert.equal(taken("10.0.0.2", 2000), 25);
});

test("startDnsServer() refuses a port that is taken, and leaves nothing open", async () => {
  const { port } = server.address;
  const taken = startDnsServer({
    listen: { host: "127.0.0.1", port },
    zones: [["clusterset", "local"]],
    services: madeZone(),
    clock,
    telemetry,
  });
  await assert.rejects(taken, { code: "MESH_LISTEN_FAILED" });
});
