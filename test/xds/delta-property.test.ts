import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DeltaRequest } from "../../src/xds/codec.ts";
import { DeltaSession } from "../../src/xds/delta.ts";
import { sealResource } from "../../src/xds/encode.ts";
import { type Resource, type XdsType, xdsTypes } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { Responses } from "../../src/xds/responses.ts";
import { type Seen, seen } from "./harness.ts";
import { type Body, StrictClient } from "./strict-client.ts";

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

const clusterNames = names("c", 5);
const routeNames = names("r", 3);
const listenerNames = names("l", 3);
const secretNames = names("s", 2);

const fault = fc.option(fc.constantFrom("proto" as const, "named" as const), {
  nil: undefined,
  freq: 12,
});
const protoFault = fc.option(fc.constant("proto" as const), { nil: undefined, freq: 12 });
const rev = fc.nat(3);
const picked = (all: readonly string[]): fc.Arbitrary<string[]> => fc.subarray([...all]);

interface Plan {
  readonly clusters: readonly { readonly name: string; readonly body: Body }[];
  readonly routes: readonly { readonly name: string; readonly body: Body }[];
  readonly listeners: readonly { readonly name: string; readonly body: Body }[];
  readonly endpointRev: number;
}

// References are drawn freely and cut to what exists: each plan is whole in itself.
const plan: fc.Arbitrary<Plan> = fc
  .record({
    clusters: picked(clusterNames).chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record({ name: fc.constant(name), rev, secrets: picked(secretNames), fault }),
        ),
      ),
    ),
    routes: picked(routeNames).chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record({
            name: fc.constant(name),
            rev,
            clusters: picked(clusterNames),
            fault: protoFault,
          }),
        ),
      ),
    ),
    listeners: picked(listenerNames).chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record({
            name: fc.constant(name),
            rev,
            clusters: picked(clusterNames),
            routes: picked(routeNames),
            fault,
          }),
        ),
      ),
    ),
    endpointRev: rev,
  })
  .map(({ clusters, routes, listeners, endpointRev }) => {
    const existing = new Set(clusters.map(({ name }) => name));
    const existingRoutes = new Set(routes.map(({ name }) => name));
    const cut = (list: readonly string[], to: ReadonlySet<string>): string[] =>
      list.filter((name) => to.has(name));
    return {
      clusters: clusters.map(({ name, fault: f, ...rest }) => ({ name, body: withFault(rest, f) })),
      routes: routes.map(({ name, clusters: refs, rev: r, fault: f }) => ({
        name,
        body: withFault({ rev: r, clusters: cut(refs, existing) }, f),
      })),
      listeners: listeners.map(({ name, clusters: refs, routes: used, rev: r, fault: f }) => ({
        name,
        body: withFault(
          { rev: r, clusters: cut(refs, existing), routes: cut(used, existingRoutes) },
          f,
        ),
      })),
      endpointRev,
    };
  });

function withFault(body: Body, bad: Body["fault"] | undefined): Body {
  return bad === undefined ? body : { ...body, fault: bad };
}

function resourcesOf({ clusters, routes, listeners, endpointRev }: Plan): Resource[] {
  const seal = (
    type: XdsType,
    { name, body }: { readonly name: string; readonly body: Body },
  ): Resource => sealResource({ type, name, value: Buffer.from(JSON.stringify(body)) });
  const sealed = clusters.map((cluster) => seal("cluster", cluster));
  const endpoints = sealed.map(({ name, version }) => {
    const value = Buffer.from(JSON.stringify({ rev: endpointRev }));
    return sealResource({ type: "endpoint", name, value, mixVersion: version });
  });
  const secrets = secretNames.map((name) => seal("secret", { name, body: { rev: endpointRev } }));
  return [
    ...sealed,
    ...endpoints,
    ...secrets,
    ...routes.map((route) => seal("route", route)),
    ...listeners.map((listener) => seal("listener", listener)),
  ];
}

type Step =
  | { readonly t: "edit"; readonly plan: Plan }
  | { readonly t: "toServer" }
  | { readonly t: "toClient" }
  | { readonly t: "write" }
  | { readonly t: "wait" }
  | { readonly t: "toggle"; readonly name: string }
  | { readonly t: "doubt"; readonly isSettled: boolean }
  | { readonly t: "reconnect" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: plan.map((next) => ({ t: "edit" as const, plan: next })) },
  { weight: 6, arbitrary: fc.constant({ t: "toServer" as const }) },
  { weight: 6, arbitrary: fc.constant({ t: "toClient" as const }) },
  { weight: 6, arbitrary: fc.constant({ t: "write" as const }) },
  { weight: 1, arbitrary: fc.constant({ t: "wait" as const }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...clusterNames, "ghost")
      .map((name) => ({ t: "toggle" as const, name })),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map((isSettled) => ({ t: "doubt" as const, isSettled })),
  },
  { weight: 1, arbitrary: fc.constant({ t: "reconnect" as const }) },
);

/** One server stream after another, one client, and two queues of messages between them. */
class World {
  readonly #set = new ResourceSet("world");
  readonly client: StrictClient = new StrictClient();
  readonly #responses = new Responses();
  #session: DeltaSession;
  #unwatch: () => void = () => {};
  #toServer: DeltaRequest[] = [];
  #toClient: Seen[] = [];
  #nowMs = 0;
  /** Whether the agent knows all it will know. */
  #isSettled = true;

  constructor() {
    this.#session = this.#reconnect();
  }

  do(next: Step): void {
    switch (next.t) {
      case "edit":
        this.#set.replace(resourcesOf(next.plan));
        break;
      case "toServer": {
        const request = this.#toServer.shift();
        if (request !== undefined) this.#session.request(request, this.#nowMs);
        break;
      }
      case "toClient": {
        const response = this.#toClient.shift();
        if (response !== undefined) this.#toServer.push(...this.client.receive(response));
        break;
      }
      case "write":
        this.#write();
        break;
      case "wait":
        this.#nowMs += 5000;
        break;
      case "toggle":
        this.#toServer.push(this.client.toggle(next.name));
        break;
      case "doubt":
        this.#isSettled = next.isSettled;
        this.#session.resettle();
        break;
      case "reconnect":
        this.#session = this.#reconnect();
        break;
    }
  }

  /** Lets all messages through and the graces pass. */
  settle(): void {
    this.do({ t: "doubt", isSettled: true });
    for (let round = 0; round < 20; round += 1) {
      let turns = 0;
      while (this.#write() || this.#toClient.length > 0 || this.#toServer.length > 0) {
        this.do({ t: "toClient" });
        this.do({ t: "toServer" });
        turns += 1;
        assert.ok(turns < 5000, "they never fall silent");
      }
      this.do({ t: "wait" });
    }
  }

  /** Every good resource that the client is interested in is there, and nothing else is. */
  assertEqual(): void {
    for (const type of xdsTypes) {
      const wanted = new Map([...this.#set.resources(type)].map((r) => [r.name, r]));
      for (const [name, resource] of wanted) {
        if (!this.client.isInterested(type, name)) continue;
        const body = JSON.parse(Buffer.from(resource.value).toString()) as Body;
        const held = this.client.held[type].get(name);
        if (body.fault === undefined)
          assert.equal(held?.version, resource.version, `${type} ${name}`);
        else assert.notEqual(held?.version, resource.version, `${type} ${name} was refused`);
      }
      const isHeldUp = this.#isAnyRefused();
      for (const name of this.client.held[type].keys()) {
        // While a listener or route is refused, the client keeps what its old version may use.
        assert.ok(wanted.has(name) || isHeldUp, `${type} ${name} was not removed`);
      }
    }
  }

  #isAnyRefused(): boolean {
    return this.#session
      .status()
      .some(({ type, refused }) => /listener|route/.test(type) && refused > 0);
  }

  #write(): boolean {
    const delivery = this.#session.next(this.#nowMs);
    if (delivery !== undefined) this.#toClient.push(seen(delivery));
    return delivery !== undefined;
  }

  #reconnect(): DeltaSession {
    this.#unwatch();
    const limits = { maxResponseBytes: 300, maxUnanswered: 3 };
    const view = { sets: [this.#set], isSettled: () => this.#isSettled };
    const session = new DeltaSession({ view, responses: this.#responses, limits });
    this.#unwatch = this.#set.onChange((changed) => session.touch(changed));
    this.#toClient = [];
    this.#toServer = this.client.connect();
    return session;
  }
}

// 500 runs of up to 200 steps; ISTHMUS_RUNS raises it for a long hunt.
const numRuns = Number(process.env["ISTHMUS_RUNS"] ?? 500);

test("a client ends with the server's content, and no reference of its dangles on the way", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const world = new World();
      for (const next of steps) world.do(next);
      world.settle();
      world.assertEqual();
    }),
    { numRuns },
  );
});
