import type { HostPort } from "../../mesh/address.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log } from "../../mesh/ports.ts";
import type { EngineConfig } from "../config/config.ts";
import { type Farewell as Answer, GatewayAnnouncer } from "./gateway-announcer.ts";

// Of the time that a supervisor gives: the larger part belongs to the connections that are open.
const farewellPart = 0.4;
const maxFarewellMs = 10_000;
// A load balancer asks for readiness once a second or so, and needs a moment to act on it.
const balancerPart = 0.1;
const maxBalancerMs = 3_000;
// Connections that were on their way when the last member confirmed.
const lateMs = 250;

/** Whoever tells the others that new connections are to go elsewhere. Never rejects. */
interface Leaver {
  readonly leave: (waitMs: number) => Promise<Answer>;
}

/**
 * The goodbye of a gateway, and of a sidecar that registered its workload: it still takes connections while
 * everybody who sends some is told not to. Other sidecars have none; whoever named their workload knows.
 */
export class Farewell implements Disposable {
  readonly #announcer: GatewayAnnouncer | undefined;
  readonly #leaver: Leaver | undefined;
  readonly #clock: Clock;
  readonly #log: Log;
  #isLeaving = false;

  constructor(options: {
    readonly config: EngineConfig;
    readonly door: HostPort | undefined;
    /** Of a sidecar. */
    readonly registration?: Leaver | undefined;
    readonly agentId: SpiffeId;
    readonly identity: IdentitySource;
    readonly instance: string;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    const { config, door } = options;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#leaver = options.registration;
    if (door === undefined) return;
    const agents = [config.agent, ...(config.otherAgents ?? [])];
    this.#announcer = new GatewayAnnouncer({ ...options, agents, address: door });
    this.#leaver = this.#announcer;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** It listens. */
  arrived(): void {
    if (!this.#isLeaving) this.#announcer?.start();
  }

  /** Resolves with the time it took, when nobody opens new connections, or so much of the time is gone. */
  async say(deadlineMs: number): Promise<number> {
    this.#isLeaving = true;
    if (this.#leaver === undefined) return 0;
    const startMs = this.#clock.monotonicMs();
    const passedMs = (): number => this.#clock.monotonicMs() - startMs;
    const waitMs = Math.min(maxFarewellMs, deadlineMs * farewellPart);
    const farewell = await this.#leaver.leave(Math.round(waitMs));
    switch (farewell.t) {
      case "told":
        this.#log.info(
          { actionMs: Math.round(passedMs()), names: farewell.missing },
          "Others send no new connections",
        );
        await pause(lateMs);
        break;
      case "not-needed":
        await pause(Math.min(maxBalancerMs, deadlineMs * balancerPart));
        break;
      case "unreachable":
        this.#log.warn({ reason: farewell.reason }, "Nobody was told that this proxy ends");
        break;
    }
    return Math.min(deadlineMs, passedMs());
  }

  [Symbol.dispose](): void {
    this.#announcer?.[Symbol.dispose]();
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
