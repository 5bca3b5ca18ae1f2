import assert from "node:assert/strict";
import { test } from "node:test";
import {
  conditionsOf,
  type KubeBody,
  provenImportIpsOf,
} from "../../../src/discovery/mcs/kube-body.ts";
import type { McsKnowledge } from "../../../src/discovery/mcs/plan.ts";
import { planMcs } from "../../../src/discovery/mcs/plan.ts";
import { east, endpointOf, west } from "../support/made.ts";
import {
  carryOut,
  cart,
  constituentOf,
  exportOf,
  knowledgeOf,
  settle,
} from "./support/knowledge.ts";

const both = [constituentOf(east), constituentOf(west, { endpoints: [endpointOf(2)] })];
const foreign = (kind: string, name: string): KubeBody => ({
  apiVersion: "v1",
  kind,
  metadata: { namespace: "shop", name, uid: "theirs" },
});
const namesOf = (known: McsKnowledge): readonly string[] =>
  planMcs(cart, known).actions.map(({ t, body }) => `${t} ${body.kind} ${body.metadata.name}`);
const specOf = (body: KubeBody | undefined): Record<string, unknown> =>
  (body?.["spec"] ?? {}) as Record<string, unknown>;
const statusOf = (body: KubeBody | undefined): Record<string, unknown> =>
  (body?.["status"] ?? {}) as Record<string, unknown>;
const reasons = (body: KubeBody | undefined): Record<string, string> =>
  Object.fromEntries(conditionsOf(body).map(({ type, reason }) => [type, reason]));

test("planMcs() makes an import, a Service that lends it an address, and slices of each member", () => {
  const done = settle(knowledgeOf({ constituents: both, exported: exportOf() }));
  assert.deepEqual(specOf(done.imported)["ips"], ["10.96.0.7"]);
  assert.deepEqual(specOf(done.imported)["ipFamilies"], ["IPv4"]);
  assert.deepEqual(statusOf(done.imported)["clusters"], [{ cluster: "east" }, { cluster: "west" }]);
  assert.equal(statusOf(done.imported)["endpointSliceObjects"], "Present");
  assert.deepEqual(reasons(done.imported), { Ready: "Ready" });
  assert.equal(done.derived?.metadata.ownerReferences?.[0]?.uid, "ServiceImport-1");
  assert.deepEqual(
    done.slices.map(
      ({ metadata }) => metadata.labels?.["multicluster.kubernetes.io/source-cluster"],
    ),
    ["east", "west"],
  );
  assert.deepEqual(reasons(done.exported), {
    Valid: "Valid",
    Ready: "Exported",
    Conflict: "NoConflicts",
  });
});

test("provenImportIpsOf() leaves out an address that somebody wrote into an import", () => {
  const { imported, derived } = settle(knowledgeOf({ constituents: both, exported: exportOf() }));
  assert.ok(imported !== undefined && derived !== undefined);
  assert.deepEqual(provenImportIpsOf({ imported, derived }), ["10.96.0.7"]);
  const spec = { ...specOf(imported), ips: ["10.96.0.1", "10.96.0.7"] };
  const edited: KubeBody = { ...imported, spec };
  assert.deepEqual(provenImportIpsOf({ imported: edited, derived }), ["10.96.0.7"]);
  assert.deepEqual(provenImportIpsOf({ imported: edited, derived: undefined }), []);
});

test("planMcs() wants nothing more once all is as it should be", () => {
  const done = settle(knowledgeOf({ constituents: both, exported: exportOf() }));
  assert.deepEqual(planMcs(cart, { ...done, now: "2027-01-01T00:00:00Z" }).actions, []);
});

test("planMcs() creates nothing where the namespace is not here", () => {
  assert.deepEqual(planMcs(cart, knowledgeOf({ hasNamespace: false })).actions, []);
});

test("planMcs() takes all away with the last export, what is foreign stays", () => {
  const done = settle(knowledgeOf({ constituents: both }));
  assert.deepEqual(namesOf({ ...done, constituents: [] }), [
    "delete ServiceImport cart",
    "delete Service clusterset-cart",
    ...done.slices.map(({ metadata }) => `delete EndpointSlice ${metadata.name}`),
  ]);
  const theirs = foreign("Service", "clusterset-cart");
  assert.deepEqual(namesOf(knowledgeOf({ constituents: [], derived: theirs })), []);
});

test("planMcs() takes nothing away before all members are known", () => {
  const done = settle(knowledgeOf({ constituents: both }));
  const early = { ...done, isSettled: false };
  assert.deepEqual(planMcs(cart, { ...early, constituents: [] }).actions, []);
  assert.deepEqual(planMcs(cart, { ...early, constituents: [constituentOf(east)] }).actions, []);
  const more = [...both, constituentOf(west)];
  assert.notDeepEqual(planMcs(cart, { ...early, constituents: more }).actions, []);
});

test("planMcs() leaves a ServiceImport that it did not make, and says so", () => {
  const theirs = foreign("ServiceImport", "cart");
  const plan = planMcs(cart, knowledgeOf({ imported: theirs, constituents: [] }));
  assert.deepEqual(plan.actions, []);
  assert.match(plan.blocked ?? "", /ServiceImport shop\/cart is not made by isthmus/);
});

test("planMcs() leaves a user's Service of the derived name, and the import says why it has no address", () => {
  const done = settle(knowledgeOf({ derived: foreign("Service", "clusterset-cart") }));
  assert.equal(done.derived?.metadata.uid, "theirs");
  assert.equal(specOf(done.imported)["ips"], undefined);
  assert.deepEqual(reasons(done.imported), { Ready: "Pending" });
  assert.match(
    conditionsOf(done.imported)[0]?.message ?? "",
    /shop\/clusterset-cart is not made by/,
  );
});

test("planMcs() gives a headless import no address, and takes the Service of a former one", () => {
  const done = settle(knowledgeOf({ constituents: both }));
  const headless = both.map((one) => ({ ...one, type: "Headless" as const }));
  const after = settle({ ...done, constituents: headless });
  assert.equal(after.derived, undefined);
  assert.equal(specOf(after.imported)["ips"], undefined);
  assert.deepEqual(reasons(after.imported), { Ready: "Ready" });
  assert.equal(after.slices[0]?.metadata.labels?.["kubernetes.io/service-name"], undefined);
});

test("planMcs() applies its own new wishes and puts right what others changed", () => {
  const done = settle(knowledgeOf({ constituents: both }));
  const labelled = both.map((one) => ({ ...one, labels: { tier: "front" } }));
  assert.deepEqual(namesOf({ ...done, constituents: labelled }), ["apply ServiceImport cart"]);
  const derived = { ...done.derived, spec: { ...specOf(done.derived), selector: { app: "x" } } };
  assert.deepEqual(namesOf({ ...done, derived: derived as KubeBody }), [
    "patch Service clusterset-cart",
  ]);
  const [slice, ...others] = done.slices;
  const slices = [{ ...slice, endpoints: [] } as unknown as KubeBody, ...others];
  assert.deepEqual(namesOf({ ...done, slices }), [`patch EndpointSlice ${slice?.metadata.name}`]);
});

test("planMcs() takes a cluster out of the status that somebody added or that left", () => {
  const done = settle(knowledgeOf({ constituents: both }));
  const one = settle({ ...done, constituents: [constituentOf(east)] });
  assert.deepEqual(statusOf(one.imported)["clusters"], [{ cluster: "east" }]);
});

test("planMcs() keeps conditions of others, and the time of those of ours that did not turn", () => {
  const other = {
    type: "Theirs",
    status: "True",
    reason: "X",
    message: "",
    lastTransitionTime: "2020-01-01T00:00:00Z",
  };
  const known = knowledgeOf({ exported: exportOf({ status: { conditions: [other] } }) });
  const first = planMcs(cart, known).actions.find(({ body }) => body.kind === "ServiceExport");
  const written = conditionsOf(first?.body);
  assert.deepEqual(
    written.map(({ type }) => type),
    ["Valid", "Ready", "Conflict"],
  );
  const exported = exportOf({ status: { conditions: [other, ...written] } });
  const later = { ...known, exported, now: "2027-01-01T00:00:00Z" };
  const isAbout = (kind: string): boolean =>
    planMcs(cart, later).actions.some(({ body }) => body.kind === kind);
  assert.equal(isAbout("ServiceExport"), false);
  const headless = [constituentOf(east), constituentOf(west, { type: "Headless" })];
  const turned = planMcs(cart, { ...later, constituents: headless }).actions;
  const now = conditionsOf(turned.find(({ body }) => body.kind === "ServiceExport")?.body);
  assert.deepEqual(
    now.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    [
      ["Valid", "2026-01-01T00:00:00Z"],
      ["Ready", "2026-01-01T00:00:00Z"],
      ["Conflict", "2027-01-01T00:00:00Z"],
    ],
  );
});

test("planMcs() refuses an export without a Service and one of an ExternalName Service", () => {
  const of = (service: McsKnowledge["service"]): Record<string, string> =>
    reasons(settle(knowledgeOf({ constituents: [], exported: exportOf(), service })).exported);
  assert.deepEqual(of("absent"), { Valid: "NoService", Ready: "Failed" });
  assert.deepEqual(of("external"), { Valid: "InvalidServiceType", Ready: "Failed" });
});

test("planMcs() calls an export pending that the other members have not got yet", () => {
  const known = knowledgeOf({ exported: exportOf(), pending: "no hub takes writes" });
  assert.equal(reasons(settle(known).exported)["Ready"], "Pending");
});

test("planMcs() puts a conflict on this member's export whichever side is the older one", () => {
  for (const createdAtMs of [1, 2000]) {
    const other = constituentOf(west, { createdAtMs, type: "Headless" });
    const known = knowledgeOf({ constituents: [constituentOf(east), other], exported: exportOf() });
    assert.equal(reasons(settle(known).exported)["Conflict"], "TypeConflict");
  }
});

test("planMcs() lists under a port only members that mean the same by it", () => {
  const other = constituentOf(west, {
    createdAtMs: 2000,
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: [endpointOf(2)],
  });
  const done = settle(knowledgeOf({ constituents: [constituentOf(east), other] }));
  assert.deepEqual(
    done.slices.map(
      ({ metadata }) => metadata.labels?.["multicluster.kubernetes.io/source-cluster"],
    ),
    ["east"],
  );
});

test("planMcs() says of a workload what its member and this one say", () => {
  const remote = constituentOf(west, { isUsable: false, endpoints: [endpointOf(2)] });
  const draining = constituentOf(east, { endpoints: [endpointOf(1, { health: "draining" })] });
  const { slices } = settle(knowledgeOf({ constituents: [draining, remote] }));
  assert.deepEqual(
    slices.flatMap((slice) => slice["endpoints"]),
    [
      {
        addresses: ["10.0.0.1"],
        conditions: { ready: false, serving: true, terminating: true },
        hostname: "w-1",
        zone: "a",
      },
      {
        addresses: ["10.0.0.2"],
        conditions: { ready: false, serving: false, terminating: false },
        hostname: "w-2",
      },
    ],
  );
});

test("planMcs() writes no word that Kubernetes or our own tools act upon for another member", () => {
  const labels = { "app.kubernetes.io/managed-by": "Helm", "isthmus.dev/inject": "x", tier: "a" };
  const done = settle(knowledgeOf({ constituents: [constituentOf(west, { labels })] }));
  assert.deepEqual(done.imported?.metadata.labels, {
    tier: "a",
    "app.kubernetes.io/managed-by": "isthmus-mcs",
  });
  const traffic = { trafficDistribution: "PreferMars" };
  const odd = settle(knowledgeOf({ constituents: [constituentOf(west, { traffic })] }));
  assert.equal(specOf(odd.derived)["trafficDistribution"], undefined);
});

test("planMcs() waits for what is being deleted", () => {
  const done = settle(knowledgeOf({ constituents: both }));
  const imported = {
    ...done.imported,
    metadata: { ...done.imported?.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" },
  } as KubeBody;
  assert.deepEqual(planMcs(cart, { ...done, imported }).actions, []);
  assert.deepEqual(carryOut(done, []).imported, done.imported);
});
