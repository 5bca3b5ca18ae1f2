import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { HealthProbeOptions } from "../../../../src/discovery/io/sources/health-prober.ts";
import { withHealthProbes } from "../../../../src/discovery/io/sources/health-prober.ts";
import type {
  SourceChange,
  SourceEvents,
  WorkloadSource,
} from "../../../../src/discovery/source.ts";
import type { ProbeOutcome } from "../../../../src/discovery/sources/health.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import type { Endpoint, Health, LocalService } from "../../../../src/mesh/service.ts";
import type { WatchedSource } from "../../sources/support/watched-source.ts";
import { watchSource } from "../../sources/support/watched-source.ts";

/** A source that says what the test tells it to. */
class ScriptedSource implements WorkloadSource {
  readonly name = "scripted";
  #events: SourceEvents | undefined;
  readonly #first: readonly LocalService[];

  constructor(...first: readonly LocalService[]) {
    this.#first = first;
  }

  start(events: SourceEvents): Promise<void> {
    this.#events = events;
    this.say({ upserts: this.#first });
    events.onFindings([]);
    return Promise.resolve();
  }

  say(change: Partial<SourceChange>): void {
    this.#events?.onChange({ upserts: [], removed: [], ...change });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Workloads by address, each with the outcome of its probes; counts how many are asked at a time. */
class FakeWorkloads {
  readonly outcomes = new Map<string, ProbeOutcome>();
  readonly asked: string[] = [];
  mostAtOnce = 0;
  #atOnce = 0;

  readonly probe: NonNullable<HealthProbeOptions["probe"]> = async ({ address }) => {
    this.asked.push(address);
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    this.#atOnce -= 1;
    return this.outcomes.get(address) ?? "failed";
  };
}

const cart = parseServiceId("shop/cart");

function endpoint(address: string, options?: Partial<Endpoint>): Endpoint {
  const probe = { t: "tcp", port: 8080 } as const;
  return {
    workload: address,
    address,
    ports: { http: 8080 },
    zone: "",
    health: "healthy",
    probe,
    ...options,
  };
}

function unprobed(address: string): Endpoint {
  const { probe: _probe, ...rest } = endpoint(address);
  return rest;
}

function service(...endpoints: readonly Endpoint[]): LocalService {
  const ports = [{ name: "http", port: 80, protocol: "TCP" }] as const;
  return { id: cart, type: "ClusterSetIP", ports, endpoints };
}

async function probed(
  t: TestContext,
  source: WorkloadSource,
  workloads: Pick<FakeWorkloads, "probe">,
  firstRoundMs = 60_000,
): Promise<WatchedSource> {
  const clock = { nowMs: () => 0, monotonicMs: () => 0 };
  const rules = { intervalMs: 4, doubtMs: 2 };
  const watched = await watchSource(
    withHealthProbes(source, {
      clock,
      random: () => 0.5,
      rules,
      probe: workloads.probe,
      maxInFlight: 3,
      firstRoundMs,
    }),
  );
  t.after(() => watched.close());
  return watched;
}

function healths(watched: WatchedSource): (Health | undefined)[] {
  return watched.services.get(cart)?.endpoints.map(({ health }) => health) ?? [];
}

test("the first change waits for the first round of probes and takes the probes off", async (t) => {
  const workloads = new FakeWorkloads();
  workloads.outcomes.set("10.0.0.1", "ok");
  const source = new ScriptedSource(
    service(endpoint("10.0.0.1"), endpoint("10.0.0.2"), unprobed("10.0.0.3")),
  );
  const watched = await probed(t, source, workloads);
  assert.equal(watched.changes.length, 1);
  assert.deepEqual(healths(watched), ["healthy", "unhealthy", "healthy"]);
  assert.equal(watched.services.get(cart)?.endpoints[0]?.probe, undefined);
});

test("an endpoint that starts to answer becomes healthy, and unhealthy when it stops", async (t) => {
  const workloads = new FakeWorkloads();
  const watched = await probed(t, new ScriptedSource(service(endpoint("10.0.0.1"))), workloads);
  assert.deepEqual(healths(watched), ["unhealthy"]);
  workloads.outcomes.set("10.0.0.1", "ok");
  await watched.until(() => watched.health(cart) === "healthy");
  workloads.outcomes.set("10.0.0.1", "failed");
  await watched.until(() => watched.health(cart) === "unhealthy");
  assert.equal(watched.changes.length, 3);
});

test("an edited probe keeps a healthy endpoint in service until its results are in", async (t) => {
  const workloads = new FakeWorkloads();
  workloads.outcomes.set("10.0.0.1", "ok");
  const source = new ScriptedSource(service(endpoint("10.0.0.1")));
  const watched = await probed(t, source, workloads);
  source.say({
    upserts: [service(endpoint("10.0.0.1", { probe: { t: "http", port: 8080, path: "/" } }))],
  });
  assert.deepEqual(healths(watched), ["healthy"]);
});

test("an endpoint that joins later is unhealthy until its first answer", async (t) => {
  const workloads = new FakeWorkloads();
  workloads.outcomes.set("10.0.0.1", "ok").set("10.0.0.2", "ok");
  const source = new ScriptedSource(service(endpoint("10.0.0.1")));
  const watched = await probed(t, source, workloads);
  source.say({ upserts: [service(endpoint("10.0.0.1"), endpoint("10.0.0.2"))] });
  assert.deepEqual(healths(watched), ["healthy", "unhealthy"]);
  await watched.until(() => healths(watched)[1] === "healthy");
});

test("a declared drain counts at once, whatever the probes say", async (t) => {
  const workloads = new FakeWorkloads();
  workloads.outcomes.set("10.0.0.1", "ok");
  const source = new ScriptedSource(service(endpoint("10.0.0.1")));
  const watched = await probed(t, source, workloads);
  source.say({ upserts: [service(endpoint("10.0.0.1", { health: "draining" }))] });
  assert.deepEqual(healths(watched), ["draining"]);
});

test("a removed service is not probed any more", async (t) => {
  const workloads = new FakeWorkloads();
  workloads.outcomes.set("10.0.0.1", "ok").set("10.0.0.2", "ok");
  const source = new ScriptedSource(service(endpoint("10.0.0.1")));
  const watched = await probed(t, source, workloads);
  const orders = { ...service(endpoint("10.0.0.2")), id: parseServiceId("shop/orders") };
  source.say({ upserts: [orders], removed: [cart] });
  const before = workloads.asked.length;
  await watched.until(() => watched.health("shop/orders") === "healthy");
  workloads.outcomes.set("10.0.0.2", "failed");
  await watched.until(() => watched.health("shop/orders") === "unhealthy");
  assert.equal(workloads.asked.slice(before).includes("10.0.0.1"), false);
  assert.equal(watched.services.has(cart), false);
});

test("a workload behind two services is probed once and reported for both", async (t) => {
  const workloads = new FakeWorkloads();
  const orders = { ...service(endpoint("10.0.0.1")), id: parseServiceId("shop/orders") };
  const watched = await probed(
    t,
    new ScriptedSource(service(endpoint("10.0.0.1")), orders),
    workloads,
  );
  assert.deepEqual(workloads.asked, ["10.0.0.1"]);
  workloads.outcomes.set("10.0.0.1", "ok");
  await watched.until(() => watched.health(cart) === "healthy");
  assert.equal(watched.health("shop/orders"), "healthy");
  assert.equal(watched.changes.length, 2);
});

test("a workload that swallows its probes does not keep the others waiting", async (t) => {
  const workloads = new FakeWorkloads();
  workloads.outcomes.set("10.0.0.1", "ok");
  const never = new Promise<never>(() => {});
  const stuck: FakeWorkloads["probe"] = (target, limits) =>
    target.address === "10.0.0.2" ? never : workloads.probe(target, limits);
  const source = new ScriptedSource(service(endpoint("10.0.0.1"), endpoint("10.0.0.2")));
  const watched = await probed(t, source, { probe: stuck }, 20);
  await watched.until(() => healths(watched)[0] === "healthy");
  assert.equal(healths(watched)[1], "unhealthy");
});

test("no more probes are in flight than allowed", async (t) => {
  const workloads = new FakeWorkloads();
  const many = Array.from({ length: 50 }, (_, index) => endpoint(`10.0.0.${index + 1}`));
  await probed(t, new ScriptedSource(service(...many)), workloads);
  assert.equal(workloads.mostAtOnce, 3);
  assert.ok(workloads.asked.length >= 50);
});
