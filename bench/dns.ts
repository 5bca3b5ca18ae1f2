/** CPU of a DNS answer: the answer by itself, and one that comes in and goes out by UDP. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import packet from "dns-packet";
import { answerMessage } from "../src/discovery/dns/answer.ts";
import { createServiceZone } from "../src/discovery/dns/service-zone.ts";
import { startDnsServer } from "../src/discovery/io/dns-server.ts";
import { parseMemberName, parseServiceId } from "../src/mesh/ids.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ISTHMUS_BENCH_ROUNDS"] ?? 20);
const perRound = 5000;
const inFlight = 32;
const zones = [["clusterset", "local"]];
const services = { ...createServiceZone(), isKnown: () => true };
const http = { name: "http", port: 80, protocol: "TCP" } as const;
for (let index = 0; index < 5000; index += 1) {
  services.set(parseServiceId(`shop/cart-${index}`), {
    type: "ClusterSetIP",
    ports: [http],
    ips: [`10.96.${index >> 8}.${index & 255}`],
    workloads: [],
  });
}
const member = parseMemberName("east");
services.set(parseServiceId("shop/web"), {
  type: "Headless",
  ports: [http],
  ips: [],
  workloads: Array.from({ length: 20 }, (_, index) => ({
    member,
    hostname: `web-${index}`,
    address: `10.1.0.${index}`,
    ports: { http: 8080 },
  })),
});

const ask = (name: string, type: "A" | "SRV"): Uint8Array =>
  packet.encode({ type: "query", id: 7, questions: [{ name, type }] });
const questions: Readonly<Record<string, Uint8Array>> = {
  "address of an import": ask("cart-77.shop.svc.clusterset.local", "A"),
  "no such name": ask("nobody.shop.svc.clusterset.local", "A"),
  "20 workloads by SRV": ask("_http._tcp.web.shop.svc.clusterset.local", "SRV"),
};

function microsecondsSince(before: NodeJS.CpuUsage, count: number): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

function pureCost(message: Uint8Array): number {
  const before = process.cpuUsage();
  for (let turn = 0; turn < perRound; turn += 1) {
    answerMessage(message, { zones, services, transport: "udp", turn });
  }
  return microsecondsSince(before, perRound);
}

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
await using server = await startDnsServer({
  listen: { host: "127.0.0.1", port: 0 },
  zones,
  services,
  clock,
  telemetry: { count: () => undefined },
  limits: { answersPerSecond: 1e9 },
});
const udp = createSocket("udp4");
udp.bind(0, "127.0.0.1");
await once(udp, "listening");

/** Both ends of the socket are in this process, so the answering one costs less than this. */
async function udpCost(message: Uint8Array): Promise<number> {
  const before = process.cpuUsage();
  let sent = 0;
  let answered = 0;
  const send = (): void => {
    sent += 1;
    udp.send(message, server.address.port, "127.0.0.1");
  };
  const done = Promise.withResolvers<void>();
  const onAnswer = (): void => {
    answered += 1;
    if (sent < perRound) send();
    if (answered === perRound) done.resolve();
  };
  udp.on("message", onAnswer);
  for (let index = 0; index < inFlight; index += 1) send();
  await done.promise;
  udp.off("message", onAnswer);
  return microsecondsSince(before, perRound);
}

const figures: Figure[] = [];
for (const [name, message] of Object.entries(questions)) {
  const pure: number[] = [];
  const whole: number[] = [];
  for (let round = -2; round < rounds; round += 1) {
    const costs = [pureCost(message), await udpCost(message)] as const;
    // The first rounds warm the compiler.
    if (round < 0) continue;
    pure.push(costs[0]);
    whole.push(costs[1]);
  }
  figures.push({ name: `${name}: the answer`, unit: "µs of CPU", samples: pure });
  figures.push({ name: `${name}: asked and answered by UDP`, unit: "µs of CPU", samples: whole });
}
udp.close();
report({
  claim: "a DNS answer costs microseconds",
  setup: { services: 5001, inFlight, perRound },
  figures,
});
