// Two ends of a stream under an arbitrary schedule: what a dialect's property test does to them.

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Resource, XdsType } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import type { Delivery } from "../../src/xds/responses.ts";
import type { XdsSession } from "../../src/xds/session.ts";
import type { View } from "../../src/xds/view.ts";
import { type Plan, plan } from "./plans.ts";

export type Step =
  | { readonly t: "edit"; readonly plan: Plan }
  | { readonly t: "toServer" }
  | { readonly t: "toClient" }
  | { readonly t: "write" }
  | { readonly t: "wait" }
  /** The agent no longer knows all, or does again. */
  | { readonly t: "doubt"; readonly isSettled: boolean }
  | { readonly t: "reconnect" };

const messages = (["toServer", "toClient", "write"] as const).map((t) => ({
  weight: 6,
  arbitrary: fc.constant({ t }),
}));

export const weightedSteps: readonly fc.WeightedArbitrary<Step>[] = [
  { weight: 2, arbitrary: plan.map((next) => ({ t: "edit" as const, plan: next })) },
  ...messages,
  { weight: 1, arbitrary: fc.constant({ t: "wait" as const }) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((isSettled) => ({ t: "doubt" as const, isSettled })),
  },
  { weight: 1, arbitrary: fc.constant({ t: "reconnect" as const }) },
];

/** A dialect: its server, its client, and how a message looks to the latter. */
export interface Dialect<Request, Response> {
  readonly client: {
    /** The first requests of a stream. */
    readonly connect: () => Request[];
    /** What it says to a response. */
    readonly receive: (response: Response) => Request[];
    readonly isInterested: (type: XdsType, name: string) => boolean;
  };
  readonly open: (view: View) => XdsSession<Request>;
  readonly read: (delivery: Delivery) => Response;
  readonly resourcesOf: (plan: Plan) => Resource[];
}

/** One server stream after another, one client, and two queues of messages between them. */
export class Schedule<Request, Response> {
  readonly #dialect: Dialect<Request, Response>;
  readonly #set = new ResourceSet("schedule");
  #session: XdsSession<Request>;
  #unwatch: () => void = () => {};
  #toServer: Request[] = [];
  #toClient: Response[] = [];
  #nowMs = 0;
  /** Whether the agent knows all it will know. */
  #isSettled = true;

  constructor(dialect: Dialect<Request, Response>) {
    this.#dialect = dialect;
    this.#session = this.#reconnect();
  }

  do(step: Step): void {
    switch (step.t) {
      case "edit":
        this.#set.replace(this.#dialect.resourcesOf(step.plan));
        break;
      case "toServer": {
        const request = this.#toServer.shift();
        if (request !== undefined) this.#session.request(request, this.#nowMs);
        break;
      }
      case "toClient": {
        const response = this.#toClient.shift();
        if (response !== undefined) this.ask(...this.#dialect.client.receive(response));
        break;
      }
      case "write":
        this.#write();
        break;
      case "wait":
        this.#nowMs += 5000;
        break;
      case "doubt":
        this.#isSettled = step.isSettled;
        this.#session.resettle();
        break;
      case "reconnect":
        this.#session = this.#reconnect();
        break;
    }
  }

  /** The client says something by itself. */
  ask(...requests: readonly Request[]): void {
    this.#toServer.push(...requests);
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

  /** What the server has of a type, and the client is interested in. */
  wanted(type: XdsType): readonly Resource[] {
    const { client } = this.#dialect;
    return [...this.#set.resources(type)].filter(({ name }) => client.isInterested(type, name));
  }

  /** The client holds none of these that the server has no more. */
  assertNoneLeft(type: XdsType, held: Iterable<string>): void {
    const existing = new Set([...this.#set.resources(type)].map(({ name }) => name));
    // While a listener or route is refused, the client keeps what its old version may use.
    const isHeldUp = this.#session
      .status()
      .some((status) => /listener|route/.test(status.type) && status.refused > 0);
    for (const name of held) {
      assert.ok(existing.has(name) || isHeldUp, `${type} ${name} was not removed`);
    }
  }

  #write(): boolean {
    const delivery = this.#session.next(this.#nowMs);
    if (delivery !== undefined) this.#toClient.push(this.#dialect.read(delivery));
    return delivery !== undefined;
  }

  #reconnect(): XdsSession<Request> {
    this.#unwatch();
    const session = this.#dialect.open({ sets: [this.#set], isSettled: () => this.#isSettled });
    this.#unwatch = this.#set.onChange((changed) => session.touch(changed));
    this.#toClient = [];
    this.#toServer = this.#dialect.client.connect();
    return session;
  }
}
