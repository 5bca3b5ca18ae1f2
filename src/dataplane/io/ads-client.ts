import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { backoffCeilingMs, inUpperHalf } from "../../mesh/backoff.ts";
import { type AdsOptions, AdsSession } from "./ads-session.ts";

// An agent that restarts must not wait long for its proxies, nor be met by all of them at once.
const backoff = { firstMs: 200, maxMs: 5_000 } as const;
// An agent that is away for the night must not fill the logs of 2,000 proxies: a line a minute from then on.
const failuresToldEach = 5;
const failuresPerLine = 15;

/**
 * Keeps one delta ADS stream to the agent, or to one of its replicas; without one the engine keeps what
 * it has. It stays with whom it found: all of them say the same.
 */
export class AdsClient {
  readonly #options: AdsOptions;
  readonly #agents: readonly HostPort[];
  readonly #unsubscribe: () => void;
  #session: AdsSession | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #turn = 0;
  #suppressed = 0;
  #isClosed = false;

  constructor(options: AdsOptions) {
    this.#options = options;
    this.#agents = [options.agent, ...(options.otherAgents ?? [])];
    // A stream lives on its connection's certificate, so a new one needs a new connection.
    this.#unsubscribe = options.identity.onChange(() => this.#restart());
    this.#open();
  }

  get isConnected(): boolean {
    return this.#session?.isAnswered ?? false;
  }

  /** Asks for what new clusters and listeners need and lets go of what none needs. */
  resubscribe(): void {
    this.#session?.resubscribe();
  }

  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    clearTimeout(this.#retry);
    this.#session?.close();
  }

  #restart(): void {
    if (this.#session === undefined) return;
    this.#session.close();
    this.#open();
  }

  #open(): void {
    clearTimeout(this.#retry);
    const { onAnswered } = this.#options;
    const options: AdsOptions = {
      ...this.#options,
      agent: this.#agent(),
      onAnswered: (delta) => {
        this.#noteAnswer();
        onAnswered(delta);
      },
    };
    const session = new AdsSession(options, (reason) => {
      if (this.#session !== session || this.#isClosed) return;
      this.#failures += 1;
      this.#session = undefined;
      this.#waitAndOpen(reason);
    });
    this.#session = session;
    session.start();
  }

  #waitAndOpen(reason: string): void {
    const { log, random } = this.#options;
    const agent = this.#agent();
    this.#turn += 1;
    // Rounds are what is spaced out: the next agent of a round may well be there.
    const rounds = Math.ceil(this.#failures / this.#agents.length);
    const delayMs = Math.round(inUpperHalf(backoffCeilingMs(backoff, rounds), random));
    if (isToldAlone(this.#failures)) {
      log.warn(
        { address: formatHostPort(agent), reason, delayMs, suppressed: this.#suppressed },
        "Agent not reachable, configuration kept",
      );
      this.#suppressed = 0;
    } else {
      this.#suppressed += 1;
    }
    this.#retry = setTimeout(() => this.#open(), delayMs);
  }

  #agent(): HostPort {
    return this.#agents[this.#turn % this.#agents.length] ?? this.#options.agent;
  }

  /** An outage has an end that can be found in the log. */
  #noteAnswer(): void {
    if (this.#failures === 0) return;
    const { log } = this.#options;
    log.info(
      { address: formatHostPort(this.#agent()), count: this.#failures },
      "Agent reached again",
    );
    this.#failures = 0;
    this.#suppressed = 0;
  }
}

/** Whether the `failures`-th failure in a row has a line of its own. */
export function isToldAlone(failures: number): boolean {
  return failures <= failuresToldEach || failures % failuresPerLine === 0;
}
