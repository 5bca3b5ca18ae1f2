import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DeltaRequest } from "../../src/xds/codec.ts";
import { DeltaSession } from "../../src/xds/delta.ts";
import { valueOf } from "../../src/xds/encode.ts";
import { xdsTypes } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { Responses } from "../../src/xds/responses.ts";
import { type Seen, seen } from "./harness.ts";
import { clusterNames, type Plan, plan, resourcesOf } from "./plans.ts";
import { type Body, StrictClient } from "./strict-client.ts";

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
        const body = JSON.parse(Buffer.from(valueOf(resource)).toString()) as Body;
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
