import assert from "node:assert/strict";
import { test } from "node:test";
import type { Constituent } from "../../../src/discovery/mcs/constituents.ts";
import { mergeExports } from "../../../src/discovery/mcs/merge-exports.ts";
import type { ServicePort } from "../../../src/mesh/service.ts";
import { east, south, west } from "../support/made.ts";
import { constituentOf } from "./support/knowledge.ts";

const port = (name: string, number: number, change: Partial<ServicePort> = {}): ServicePort => ({
  name,
  port: number,
  protocol: "TCP",
  ...change,
});
const reasonsOf = (...exports: readonly Constituent[]): readonly string[] =>
  mergeExports(exports)?.conflicts.map(({ reason }) => reason) ?? [];

test("mergeExports() makes nothing of no exports", () => {
  assert.equal(mergeExports([]), undefined);
});

test("mergeExports() names all exporting members, and no conflict where they agree", () => {
  const merged = mergeExports([constituentOf(west), constituentOf(east)]);
  assert.deepEqual([merged?.members, merged?.conflicts], [["east", "west"], []]);
});

test("mergeExports() takes the oldest one's word, by name where two are as old", () => {
  const old = constituentOf(west, { createdAtMs: 1, type: "Headless", labels: { a: "old" } });
  const young = constituentOf(east, { createdAtMs: 2, labels: { a: "young" } });
  const merged = mergeExports([young, old]);
  assert.deepEqual([merged?.type, merged?.labels], ["Headless", { a: "old" }]);
  const tied = mergeExports([
    constituentOf(west, { labels: { a: "west" } }),
    constituentOf(east, { labels: { a: "east" } }),
  ]);
  assert.deepEqual(tied?.labels, { a: "east" });
});

test("mergeExports() unites ports; whoever comes later redefines neither a name nor a number", () => {
  const merged = mergeExports([
    constituentOf(east, { createdAtMs: 1, ports: [port("http", 80), port("dns", 53)] }),
    constituentOf(west, {
      createdAtMs: 2,
      ports: [
        port("http", 8080),
        port("web", 80),
        port("dns-udp", 53, { protocol: "UDP" }),
        port("grpc", 9000),
      ],
    }),
  ]);
  assert.deepEqual(
    merged?.ports.map((one) => `${one.name} ${one.port}/${one.protocol}`),
    ["http 80/TCP", "dns 53/TCP", "dns-udp 53/UDP", "grpc 9000/TCP"],
  );
});

test("mergeExports() never makes several ports of which one has no name", () => {
  const named = constituentOf(east, { createdAtMs: 2, ports: [port("http", 80), port("b", 81)] });
  const nameless = constituentOf(west, { createdAtMs: 1, ports: [port("", 8080)] });
  assert.deepEqual(mergeExports([named, nameless])?.ports, [port("", 8080)]);
  const older = { ...named, createdAtMs: 0 };
  assert.deepEqual(mergeExports([older, nameless])?.ports, [port("http", 80), port("b", 81)]);
});

const disagreements: Readonly<Record<string, Partial<Constituent>>> = {
  TypeConflict: { type: "Headless" },
  PortConflict: { ports: [port("http", 80, { appProtocol: "grpc" })] },
  SessionAffinityConflict: { traffic: { sessionAffinity: "ClientIP" } },
  InternalTrafficPolicyConflict: { traffic: { internalTrafficPolicy: "Local" } },
  TrafficDistributionConflict: { traffic: { trafficDistribution: "PreferClose" } },
  LabelsConflict: { labels: { a: "b" } },
  AnnotationsConflict: { annotations: { a: "b" } },
};

for (const [reason, change] of Object.entries(disagreements)) {
  test(`mergeExports() reports ${reason} and nothing else`, () => {
    assert.deepEqual(reasonsOf(constituentOf(east), constituentOf(west, change)), [reason]);
  });
}

test("mergeExports() compares affinity timeouts of those that want affinity, the default among them", () => {
  const of = (seconds?: number): Partial<Constituent> => ({
    traffic: {
      sessionAffinity: "ClientIP",
      ...(seconds === undefined ? {} : { sessionAffinityTimeoutSeconds: seconds }),
    },
  });
  const reasons = (left: Partial<Constituent>, right: Partial<Constituent>): readonly string[] =>
    reasonsOf(constituentOf(east, left), constituentOf(west, right));
  assert.deepEqual(reasons(of(60), of(61)), ["SessionAffinityConfigConflict"]);
  assert.deepEqual(reasons(of(), of(10_800)), []);
  assert.deepEqual(reasons(of(60), {}), ["SessionAffinityConflict"]);
});

test("a conflict says whose word counts, and bounds what it quotes", () => {
  const many = Array.from({ length: 100 }, (_, index) => port(`port-${index}`, 1000 + index));
  const merged = mergeExports([
    constituentOf(east, { createdAtMs: 1 }),
    constituentOf(west, { createdAtMs: 2, ports: many }),
    constituentOf(south, { createdAtMs: 3, ports: many }),
  ]);
  const [conflict] = merged?.conflicts ?? [];
  assert.match(conflict?.message ?? "", /oldest export, of east, has http 80\/TCP http; west has/);
  assert.match(conflict?.message ?? "", /1 more differ/);
  assert.ok((conflict?.message.length ?? 0) < 600);
});
