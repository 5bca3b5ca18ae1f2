import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { LoadIntake } from "../../../../src/app/agent/load/load-intake.ts";
import { reportClock } from "../../../../src/app/agent/load/report-clock.ts";
import type { MemberName, ServiceId } from "../../../../src/mesh/ids.ts";
import { parseMemberName, parseNamespace } from "../../../../src/mesh/ids.ts";
import type { LoadReporter } from "../../../../src/proxy/io/load-service.ts";
import type { GatewayNode, ProxyNode, SidecarNode } from "../../../../src/proxy/node.ts";
import {
  errorField,
  type LoadRow,
  loadField,
  loadWidth,
} from "../../../../src/telemetry/load/fields.ts";
import type { ReportedLoad } from "../../../../src/xds/load-report.ts";
import { east, endpoint, localService, meshService, remoteExport } from "../../../proxy/made.ts";

const west = parseMemberName("west");
const outbound = "outbound|80||cart.shop.svc.cluster.local";
const clusterset = "outbound|80||cart.shop.svc.clusterset.local";
const sni = "outbound_.80_._.cart.shop.svc.cluster.local";
const service = meshService({
  local: localService([endpoint(1), endpoint(2, { zone: "b" })]),
  remotes: [remoteExport("west")],
});

let nowMs: number;
let heard: MemberName[];
let passages: ServiceId[];
let intake: LoadIntake;

beforeEach(() => {
  nowMs = 1_000_000;
  heard = [];
  passages = [];
  intake = new LoadIntake({
    self: east,
    clock: { nowMs: () => 0, monotonicMs: () => nowMs },
    service: (id) => (id === service.id ? service : undefined),
    onHeard: (member) => heard.push(member),
    onPassage: ({ service: id }) => passages.push(id),
  });
  intake.tick();
});

function sidecar(workload: string, engine: SidecarNode["engine"] = "embedded"): SidecarNode {
  return {
    t: "sidecar",
    id: `sidecar/shop/${workload}/1`,
    engine,
    namespace: parseNamespace("shop"),
    workload,
    serviceAccount: "a",
    zone: "a",
    upstreams: [],
    inbound: [],
  };
}

function open(node: ProxyNode, witness = node.id): LoadReporter {
  return intake.open(node, witness);
}

const gateway: GatewayNode = {
  t: "gateway",
  id: "gateway/isthmus/one/1",
  engine: "embedded",
  listen: { host: "127.0.0.1", port: 15_443 },
};

function load(
  values: { issued?: number; ok?: number; active?: number; bytesIn?: number; refused?: number },
  at: { envoyCluster?: string; zone?: string | undefined; priority?: number } = {},
): ReportedLoad {
  const row: LoadRow = new Float64Array(loadWidth);
  for (const field of ["issued", "ok", "active", "bytesIn"] as const) {
    row[loadField[field]] = values[field] ?? 0;
  }
  row[errorField("refused")] = values.refused ?? 0;
  return { envoyCluster: outbound, zone: "west/gateway", priority: 0, ...at, row };
}

function shown(): unknown[] {
  nowMs += 3000;
  intake.tick();
  const rows = intake.book
    .spans({ seconds: 10 })
    .map(
      ({ key, sum }) =>
        [
          `${key.member}/${key.zone} ${key.by}`,
          sum[loadField.issued],
          sum[loadField.active],
        ] as const,
    );
  return rows.sort(([left], [right]) => (left < right ? -1 : 1));
}

test("the reports of all threads and proxies add up, under both names of a service", () => {
  open(sidecar("a")).take([load({ issued: 1, active: 2 })]);
  open(sidecar("a")).take([load({ issued: 2, active: 3 })]);
  open(sidecar("b")).take([load({ issued: 4 }, { envoyCluster: clusterset })]);
  assert.deepEqual(shown(), [["west/gateway sidecar", 7, 5]]);
});

test("what is open is the last word of each proxy, and goes with its stream", () => {
  const one = open(sidecar("a"));
  const other = open(sidecar("b"));
  one.take([load({ active: 5 }), load({ active: 1 }, { priority: 1 })]);
  other.take([load({ active: 10 })]);
  one.take([load({ active: 2 })]);
  assert.deepEqual(shown(), [["west/gateway sidecar", 0, 13]]);
  one.close();
  assert.deepEqual(shown(), [["west/gateway sidecar", 0, 10]]);
  other.take([load({ active: 0 })]);
  other.close();
  assert.equal(intake.book.spans({ seconds: 10 })[0]?.sum[loadField.active], 0);
});

test("own zones are told apart, and what members send through the gateway from what callers do", () => {
  open(sidecar("a")).take([
    load({ issued: 1 }, { zone: "east/a" }),
    load({ issued: 2 }, { zone: "east/b" }),
    load({ issued: 3 }, { zone: undefined }),
  ]);
  open(gateway).take([load({ issued: 4 }, { envoyCluster: sni, zone: "east/a" })]);
  assert.deepEqual(shown(), [
    ["/ sidecar", 3, 0],
    ["east/a gateway", 4, 0],
    ["east/a sidecar", 1, 0],
    ["east/b sidecar", 2, 0],
  ]);
});

test("a proxy that thinks up services, members and zones makes no series of them", () => {
  const liar = open(sidecar("a"));
  liar.take([
    load({ issued: 1 }, { envoyCluster: "outbound|80||other.shop.svc.cluster.local" }),
    load({ issued: 1 }, { zone: "mars/gateway" }),
    load({ issued: 1 }, { zone: "" }),
    load({ issued: 1 }, { envoyCluster: "xds" }),
    load({ issued: 1 }, { envoyCluster: "inbound|8080||10.0.0.7" }),
  ]);
  assert.equal(intake.counts().strange, 3);
  for (let zone = 0; zone < 5000; zone += 1) {
    liar.take([load({ issued: 1 }, { zone: `west/${zone}` })]);
  }
  assert.deepEqual(shown(), [["west/other sidecar", 5000, 0]]);
});

test("payload from another member vouches for it; a connect, own endpoints and gateways do not", () => {
  open(sidecar("a")).take([
    load({ issued: 1, ok: 1 }),
    load({ bytesIn: 10 }, { zone: "east/a" }),
    load({ bytesIn: 10 }, { zone: "west/unhealthy" }),
  ]);
  open(gateway).take([load({ bytesIn: 10 })]);
  assert.deepEqual(heard, []);
  open(sidecar("a")).take([load({ bytesIn: 1 })]);
  assert.deepEqual(heard, [west]);
});

test("one liar under many names keeps no member alive that two others cannot reach", () => {
  open(sidecar("b"), "b").take([load({ refused: 1 })]);
  open(sidecar("c"), "c").take([load({ refused: 1 })]);
  for (let name = 0; name < 100; name += 1) {
    open(sidecar(`n${name}`), "liar").take([load({ bytesIn: 1 })]);
  }
  assert.deepEqual(heard, []);
});

test("what is open is kept for so many rows of all proxies, and given back with their streams", () => {
  const one = load({ active: 1 });
  const rows = Array.from({ length: 8192 }, (_, priority) => ({ ...one, priority }));
  const liars = Array.from({ length: 17 }, (_, index) => {
    const liar = open(sidecar(`n${index}`));
    liar.take(rows);
    return liar;
  });
  assert.deepEqual(shown(), [["west/gateway sidecar", 0, 131_072]]);
  for (const liar of liars) liar.close();
  open(sidecar("a")).take([load({ active: 3 })]);
  assert.deepEqual(shown(), [["west/gateway sidecar", 0, 3]]);
});

test("an Envoy's answers vouch too, bytes of several members together do not", () => {
  const envoy = open(sidecar("a", "envoy"));
  envoy.take([load({ issued: 1 })]);
  assert.deepEqual(heard, []);
  envoy.take([{ ...load({ bytesIn: 10 }), isShare: true }]);
  assert.deepEqual(heard, []);
  envoy.take([load({ ok: 1 })]);
  envoy.take([load({ bytesIn: 1 })]);
  assert.deepEqual(heard, [west, west]);
});

test("two witnesses that cannot connect close the way, one under many names does not", () => {
  const failed = [load({ issued: 3, refused: 3 })];
  open(sidecar("a"), "one").take(failed);
  open({ ...sidecar("a"), id: "sidecar/shop/a/1-1" }, "one").take(failed);
  for (let name = 0; name < 100; name += 1) open(sidecar(`n${name}`), "one").take(failed);
  assert.deepEqual(passages, []);
  open(sidecar("b"), "other").take(failed);
  assert.deepEqual(passages, [service.id]);
  assert.equal(intake.passageOf(service.id, west).isUsable, false);
  assert.deepEqual(
    intake.findings().map(({ code, subject }) => [code, subject]),
    [["PROXY_NO_PASSAGE", "shop/cart"]],
  );
  nowMs += 5000;
  intake.tick();
  assert.deepEqual(passages, [service.id, service.id]);
  assert.equal(intake.passageOf(service.id, west).share, 0.1);
  intake.forget(west);
  assert.deepEqual(intake.passageOf(service.id, west), { isUsable: true, share: 1 });
});

for (const [name, arrivals, wanted] of [
  ["on time", [10, 11, 12], [10, 11, 12]],
  ["a little early once", [10, 11, 11, 13], [10, 11, 11, 12]],
  ["a little late once", [10, 12, 12, 13], [10, 11, 12, 13]],
  ["after a pause", [10, 15, 16], [10, 15, 16]],
  ["twice as often as asked", [10, 10, 11, 11], [10, 10, 11, 11]],
] as const) {
  test(`reportClock() gives reports that come ${name} the seconds ${wanted.join(", ")}`, () => {
    const clock = reportClock();
    assert.deepEqual(
      arrivals.map((now) => clock.secondOf(now)),
      wanted,
    );
  });
}
