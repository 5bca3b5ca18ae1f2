import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sealResource, valueOf } from "../../src/xds/encode.ts";
import { type Resource, type XdsType, xdsTypes } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { SotwSession, sotwResponses } from "../../src/xds/sotw.ts";
import type { SotwRequest } from "../../src/xds/sotw-codec.ts";
import { listenerNames, type Plan, plan, resourcesOf } from "./plans.ts";
import { type Told, told } from "./sotw-harness.ts";
import type { Body } from "./strict-client.ts";
import { type Manner, type NamedBody, StrictSotwClient } from "./strict-sotw-client.ts";

type Step =
  | { readonly t: "edit"; readonly plan: Plan }
  | { readonly t: "toServer" }
  | { readonly t: "toClient" }
  | { readonly t: "write" }
  | { readonly t: "wait" }
  | { readonly t: "doubt"; readonly isSettled: boolean }
  | { readonly t: "reconnect" };

const plain = (["toServer", "toClient", "write"] as const).map((t) => ({
  weight: 6,
  arbitrary: fc.constant({ t }),
}));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: plan.map((next) => ({ t: "edit" as const, plan: next })) },
  ...plain,
  { weight: 1, arbitrary: fc.constant({ t: "wait" as const }) },
  { weight: 1, arbitrary: fc.constant({ t: "reconnect" as const }) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((isSettled) => ({ t: "doubt" as const, isSettled })),
  },
);

/** The resources of a plan with their names in their bodies: that is all a client of this dialect sees. */
function namedResourcesOf(next: Plan): Resource[] {
  return resourcesOf(next).map((resource) => {
    const { type, name, version } = resource;
    const body = JSON.parse(Buffer.from(valueOf(resource)).toString()) as Body;
    const named: NamedBody = { name, ...body };
    const bytes = Buffer.from(JSON.stringify(named));
    // The version of an endpoint follows its cluster's.
    return sealResource({ type, name, value: bytes, mixVersion: version });
  });
}

class World {
  readonly #set = new ResourceSet("world");
  readonly #responses = sotwResponses();
  readonly client: StrictSotwClient;
  #session: SotwSession;
  #unwatch: () => void = () => {};
  #toServer: SotwRequest[] = [];
  #toClient: Told[] = [];
  #nowMs = 0;
  #isSettled = true;
  /** What the client brought to this stream, of types that are told whole. */
  #brought = new Map<XdsType, readonly string[]>();

  constructor(manner: Manner) {
    this.client = new StrictSotwClient(manner, listenerNames);
    this.#session = this.#reconnect();
  }

  do(next: Step): void {
    switch (next.t) {
      case "edit":
        this.#set.replace(namedResourcesOf(next.plan));
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
      case "doubt":
        this.#isSettled = next.isSettled;
        this.#session.resettle();
        break;
      case "reconnect":
        this.#session = this.#reconnect();
        break;
    }
  }

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

  /** Every good resource that the client is interested in is there as it is now, and nothing else is. */
  assertEqual(): void {
    for (const type of xdsTypes) {
      const wanted = new Map([...this.#set.resources(type)].map((r) => [r.name, r]));
      for (const [name, resource] of wanted) {
        if (!this.client.isInterested(type, name)) continue;
        const body = JSON.parse(Buffer.from(valueOf(resource)).toString()) as NamedBody;
        if (body.fault !== undefined) continue;
        assert.deepEqual(this.client.held[type].get(name), body, `${type} ${name}`);
      }
      if (type !== "cluster" && type !== "listener") continue;
      const isHeldUp = this.#isAnyRefused();
      for (const name of this.client.held[type].keys()) {
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
    if (delivery === undefined) return false;
    const response = told(delivery);
    this.#assertKeeps(response);
    this.#toClient.push(response);
    return true;
  }

  /** While the agent may not know all, no response takes away what the client came with. */
  #assertKeeps({ type, bodies }: Told): void {
    if (this.#isSettled) this.#brought.delete(type);
    if (type !== "cluster" && type !== "listener") return;
    const names = new Set(bodies.map((body) => (JSON.parse(body) as NamedBody).name));
    for (const name of this.#brought.get(type) ?? []) {
      const isKept = names.has(name) || !this.client.isInterested(type, name);
      assert.ok(isKept, `${type} ${name} is left out by an agent that does not know all`);
    }
  }

  #reconnect(): SotwSession {
    this.#unwatch();
    const view = { sets: [this.#set], isSettled: () => this.#isSettled };
    const limits = { maxResponseBytes: 300 };
    const session = new SotwSession({ view, responses: this.#responses, limits });
    this.#unwatch = this.#set.onChange((changed) => session.touch(changed));
    this.#toClient = [];
    this.#toServer = this.client.connect();
    this.#brought = new Map(
      (["cluster", "listener"] as const).map((type) => [type, [...this.client.held[type].keys()]]),
    );
    return session;
  }
}

// 300 runs of up to 200 steps each; ISTHMUS_RUNS raises it for a long hunt.
const numRuns = Number(process.env["ISTHMUS_RUNS"] ?? 300);

for (const manner of ["named", "all"] as const) {
  test(`a client that asks for ${manner} ends with the server's content, and is never told what it refused`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const world = new World(manner);
        for (const next of steps) world.do(next);
        world.settle();
        world.assertEqual();
      }),
      { numRuns },
    );
  });
}
