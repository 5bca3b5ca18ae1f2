import type { DeltaRequest } from "./codec.ts";
import { CommonContents } from "./common-map.ts";
import { type HeldResource, Ledger } from "./ledger.ts";
import { type ResourceKey, typeUrls, type XdsType, xdsTypes } from "./resource.ts";
import type { Content, Delivery, Responses } from "./responses.ts";
import type { RequestOutcome, TypeStatus, XdsSession } from "./session.ts";
import { StrangeNames } from "./strange-names.ts";
import type { View } from "./view.ts";

export interface DeltaOptions {
  readonly view: View;
  /** Shared by all streams of a server. */
  readonly responses: Pick<Responses, "deliver">;
  /** Shared by all streams of a server; default: this stream shares with nobody. */
  readonly common?: CommonContents;
  /** Shared by all streams of a server; default: this stream alone may have as many. */
  readonly strange?: StrangeNames;
  readonly limits?: Partial<DeltaLimits>;
  /** Types of which each response must hold all changes there are. Default: none. */
  readonly uncut?: ReadonlySet<XdsType>;
  /** Whether nothing may be said of a type now, while others go on. */
  readonly isHeldBack?: (type: XdsType) => boolean;
}

export interface DeltaLimits {
  /** A response is cut here. One resource that is larger travels alone. */
  readonly maxResponseBytes: number;
  /** Responses of one type that may wait for an answer; a client that gives none gets no more. */
  readonly maxUnanswered: number;
  /** How long clusters, endpoints and secrets outlive the last listener or route that may need them. */
  readonly removalGraceMs: number;
}

const defaultLimits: DeltaLimits = {
  // Node keeps one TLS output buffer per connection as large as the largest write it ever saw, for good.
  maxResponseBytes: 56 * 1024,
  // A mesh of 1,000 clusters goes out in nine responses; a cold start should not wait for answers.
  maxUnanswered: 16,
  // Accepted is not warmed: a listener goes on with its old clusters until its new routes are there. A denied
  // member's servers are reached by new connections for as long.
  removalGraceMs: 2000,
};

export const typeOfUrl: ReadonlyMap<string, XdsType> = new Map(
  xdsTypes.map((type) => [typeUrls[type], type]),
);

// Make before break. Routes are not warmed, so the clusters they name must be there before them; a client
// takes its first cluster response for all of them, so listeners wait until the last one was answered.
const upsertOrder = ["cluster", "endpoint", "secret", "listener", "route"] as const;
const removalOrder = ["cluster", "endpoint", "secret"] as const;
const referring: ReadonlySet<XdsType> = new Set(["listener", "route"]);

/**
 * One delta stream as a state machine. Whoever owns the stream asks `next()` for a response whenever no
 * write is in flight, so that the newest state is always what is sent.
 */
export class DeltaSession implements XdsSession<DeltaRequest> {
  readonly #view: View;
  readonly #responses: Pick<Responses, "deliver">;
  readonly #common: CommonContents;
  readonly #strange: StrangeNames;
  readonly #limits: DeltaLimits;
  readonly #uncut: ReadonlySet<XdsType>;
  readonly #isHeldBack: (type: XdsType) => boolean;
  readonly #ledgers = new Map<XdsType, Ledger>();
  /** Endpoints that were sent before their cluster, or while it may still be refused and sent again. */
  readonly #overtaking = new Set<string>();
  #lastPush = 0;

  constructor(options: DeltaOptions) {
    this.#view = options.view;
    this.#responses = options.responses;
    this.#common = options.common ?? new CommonContents();
    this.#strange = options.strange ?? new StrangeNames();
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#uncut = options.uncut ?? new Set();
    this.#isHeldBack = options.isHeldBack ?? (() => false);
  }

  request(request: DeltaRequest, nowMs: number): RequestOutcome {
    const type = typeOfUrl.get(request.typeUrl);
    if (type === undefined) return { t: "foreign", typeUrl: request.typeUrl };
    let ledger = this.#ledgers.get(type);
    if (ledger === undefined) {
      const shared = { common: this.#common, strange: this.#strange };
      ledger = new Ledger(type, { view: this.#view, ...shared });
      this.#ledgers.set(type, ledger);
      ledger.open(request);
    } else ledger.update(request);
    if (ledger.isOverfull) return { t: "refused", reason: "too many resource names" };
    const nack = ledger.answered(request, nowMs);
    if (type === "cluster" && nack === undefined && ledger.isAnswered && ledger.isSent) {
      this.#overtaking.clear();
    }
    return nack === undefined ? { t: "ok" } : { t: "nack", type, nack };
  }

  /** Takes note of a change in the view. True: `next()` may have something to send. */
  touch(changed: readonly ResourceKey[]): boolean {
    let isConcerned = false;
    for (const { type, name } of changed) {
      if (this.#ledgers.get(type)?.touch(name)) isConcerned = true;
    }
    return isConcerned;
  }

  /** Looks again at what waited for the agent to know all (`View.isSettled`). */
  resettle(): void {
    for (const ledger of this.#ledgers.values()) ledger.unpark();
  }

  /** The next response, or undefined when the client has all it should have by now. */
  next(nowMs: number): Delivery | undefined {
    let isOvertaken = false;
    for (const type of upsertOrder) {
      const ledger = this.#ledgers.get(type);
      if (ledger === undefined || ledger.isSent || this.#isHeldBack(type)) continue;
      // What comes later in the order must not overtake it, with one exception.
      const mustWait = this.#mustWait(ledger);
      if (mustWait && type === "cluster") {
        isOvertaken = true;
        continue;
      }
      if (mustWait) return undefined;
      const taken = ledger.take(
        this.#uncut.has(type) ? Number.POSITIVE_INFINITY : this.#limits.maxResponseBytes,
      );
      if (taken !== undefined) return this.#deliver(ledger, { type, ...taken });
    }
    // A cluster may be gone without our having looked: it would lose its endpoints before it goes.
    return isOvertaken ? undefined : this.#removal(nowMs);
  }

  /** Calls removed, ahead of its turn, what a client waits for before it goes on. */
  dismiss(type: XdsType, isAwaited: (name: string) => boolean): Delivery | undefined {
    const ledger = this.#ledgers.get(type);
    if (ledger === undefined || this.#mustWait(ledger)) return undefined;
    const removed = [...ledger.gone.names()].filter(isAwaited);
    return removed.length === 0 ? undefined : this.#deliver(ledger, { type, upserts: [], removed });
  }

  close(): void {
    for (const ledger of this.#ledgers.values()) ledger.close();
  }

  /** What it was told of a type last may not be in force: it is answered once more. */
  oweAnswer(type: XdsType): void {
    this.#ledgers.get(type)?.oweAnswer();
  }

  /** When `next()` may have something to send though nothing else happens; may lie in the past. */
  get wakeAtMs(): number | undefined {
    const times = removalOrder
      .map((type) => this.#ledgers.get(type)?.gone.earliestMs)
      .filter((atMs) => atMs !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  status(): readonly TypeStatus[] {
    return [...this.#ledgers.values()].map((ledger) => ({
      type: ledger.type,
      ...ledger.status(),
    }));
  }

  *heldResources(type?: XdsType): Generator<HeldResource> {
    for (const ledger of this.#ledgers.values()) {
      if (type === undefined || ledger.type === type) yield* ledger.heldResources();
    }
  }

  #mustWait(ledger: Ledger): boolean {
    if (ledger.unansweredCount >= this.#limits.maxUnanswered) return true;
    // Its answer to a cluster is preceded by the subscription to that cluster's endpoints.
    return referring.has(ledger.type) && this.#ledgers.get("cluster")?.isAnswered === false;
  }

  /**
   * Envoy's answer to clusters may wait until those that it has are warm, so what they warm with goes on while
   * clusters wait for that answer. One that comes later, or once more because it was refused with others, warms
   * anew, and gets its endpoints once more.
   */
  #noteOvertaking(content: Content): void {
    const clusters = this.#ledgers.get("cluster");
    const endpoints = this.#ledgers.get("endpoint");
    for (const { name } of content.upserts) {
      const isEarly = clusters !== undefined && (!clusters.isAnswered || clusters.isDue(name));
      if (content.type === "endpoint" && isEarly) this.#overtaking.add(name);
      if (content.type !== "cluster") continue;
      endpoints?.uncarry(name);
      if (this.#overtaking.delete(name)) endpoints?.renew(name);
    }
  }

  #deliver(ledger: Ledger, content: Content): Delivery {
    const delivery = this.#responses.deliver(content, { after: this.#lastPush });
    this.#lastPush = delivery.push;
    ledger.sent(delivery.receipt);
    this.#noteOvertaking(content);
    return delivery;
  }

  #removal(nowMs: number): Delivery | undefined {
    if (!this.#isAtRest("listener")) return undefined;
    // An old listener used its routes until the new one was accepted; from then on nobody does.
    const routes = this.#removalOf(["route"], { nowMs, graceMs: 0 });
    if (routes !== undefined || !this.#isAtRest("route")) return routes;
    return this.#removalOf(removalOrder, { nowMs, graceMs: this.#limits.removalGraceMs });
  }

  #removalOf(
    types: readonly XdsType[],
    { nowMs, graceMs }: { readonly nowMs: number; readonly graceMs: number },
  ): Delivery | undefined {
    const ledgers = types
      .map((type) => this.#ledgers.get(type))
      .filter((known) => known !== undefined);
    for (const ledger of ledgers) ledger.gone.schedule(nowMs + graceMs);
    for (const ledger of ledgers) {
      const removed = ledger.gone.due(nowMs, this.#limits.maxResponseBytes);
      if (removed.length === 0) continue;
      if (this.#mustWait(ledger)) return undefined;
      return this.#deliver(ledger, { type: ledger.type, upserts: [], removed });
    }
    return undefined;
  }

  // A refused listener or route goes on as it was, with what may be gone from the view by now.
  #isAtRest(type: XdsType): boolean {
    return this.#ledgers.get(type)?.isAtRest !== false;
  }
}
