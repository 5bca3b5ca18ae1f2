import type { DrainedGateway, MemberRecord } from "../../../discovery/shards/records.ts";
import { leavingGateway, maxDrained } from "../../../discovery/shards/records.ts";
import { formatHostPort } from "../../../mesh/address.ts";
import type { MemberName } from "../../../mesh/ids.ts";

export interface DrainConfirmationsOptions {
  readonly members: () => readonly MemberName[];
  readonly recordOf: (member: MemberName) => MemberRecord | undefined;
  /** Whether everything that is known has been built. */
  readonly isBuilt: () => boolean;
  /** Node ids of the proxies that have not answered all they were sent. */
  readonly unansweredBy: () => ReadonlySet<string>;
  /** The confirmed ones are not what they were. */
  readonly onChange: () => void;
}

const lookEveryMs = 50;
// Each is a write of our record in every hub: a member that changes its mind all the time would cost
// all others that.
const looksBetweenWords = 10;

interface Waiting {
  readonly drained: DrainedGateway;
  /** Since everything was built. */
  looks: number;
  /** Proxies that may still open connections to it, once there were two looks. */
  late: ReadonlySet<string>;
}

/**
 * Confirms drains of other members' gateways: each when every proxy here has taken a configuration in
 * which the gateway gets no new connections.
 */
export class DrainConfirmations implements Disposable {
  readonly #options: DrainConfirmationsOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #confirmed = new Map<string, DrainedGateway>();
  #timer: NodeJS.Timeout | undefined;
  #isNews = false;
  #looksSinceWord = looksBetweenWords;

  constructor(options: DrainConfirmationsOptions) {
    this.#options = options;
  }

  /** As this member's own record states them. */
  confirmed(): readonly DrainedGateway[] {
    return [...this.#confirmed.values()];
  }

  /** After some member's record changed and was handed to the merge. */
  refresh(): void {
    const present = this.#present();
    for (const key of this.#waiting.keys()) if (!present.has(key)) this.#waiting.delete(key);
    for (const key of this.#confirmed.keys()) {
      if (!present.has(key)) this.#isNews = this.#confirmed.delete(key) || this.#isNews;
    }
    for (const [key, drained] of present) {
      if (this.#confirmed.has(key) || this.#waiting.has(key)) continue;
      this.#waiting.set(key, { drained, looks: 0, late: new Set() });
    }
    if (this.#hasWork()) this.#timer ??= setInterval(() => this.#look(), lookEveryMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #present(): Map<string, DrainedGateway> {
    const { members, recordOf } = this.#options;
    const drained = members().flatMap((member) => {
      const { gateways = [], leaving } = recordOf(member) ?? {};
      const gone = leaving === undefined ? [] : [{ gateway: leavingGateway, drain: leaving }];
      const draining = gateways.flatMap((gateway) =>
        gateway.draining === undefined
          ? []
          : [{ gateway: formatHostPort(gateway), drain: gateway.draining }],
      );
      return [...gone, ...draining].map((one): DrainedGateway => ({ member, ...one }));
    });
    return new Map(
      drained.slice(0, maxDrained).map((one) => [`${one.member} ${one.gateway} ${one.drain}`, one]),
    );
  }

  #hasWork(): boolean {
    return this.#waiting.size > 0 || this.#isNews;
  }

  #look(): void {
    this.#looksSinceWord += 1;
    if (this.#options.isBuilt()) this.#confirm(this.#options.unansweredBy());
    if (this.#isNews && this.#looksSinceWord >= looksBetweenWords) {
      this.#isNews = false;
      this.#looksSinceWord = 0;
      this.#options.onChange();
    }
    if (this.#hasWork() || this.#looksSinceWord < looksBetweenWords) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #confirm(unanswered: ReadonlySet<string>): void {
    for (const [key, waiting] of this.#waiting) {
      waiting.looks += 1;
      // Built a moment ago: what it changes is sent in the turns after this one.
      if (waiting.looks < 2) continue;
      const isFirst = waiting.looks === 2;
      const late = [...unanswered].filter((node) => isFirst || waiting.late.has(node));
      waiting.late = new Set(late);
      if (late.length > 0) continue;
      this.#waiting.delete(key);
      this.#confirmed.set(key, waiting.drained);
      this.#isNews = true;
    }
  }
}
