import { Answers, type Nack } from "./answers.ts";
import type { DeltaRequest } from "./codec.ts";
import { type CommonContents, CommonMap } from "./common-map.ts";
import { GoneNames } from "./gone-names.ts";
import type { Resource, XdsType } from "./resource.ts";
import type { Receipt } from "./responses.ts";
import { StrangeHere, type StrangeNames } from "./strange-names.ts";
import { type View, viewed, viewedAll } from "./view.ts";

/** The client has nothing of that name and must be answered. */
const owed = "";
/** The client may have any version, or none: it is told the present one. */
const unknown = "?";

const wildcardName = "*";
const wildcardTypes: ReadonlySet<XdsType> = new Set(["cluster", "listener"]);
/** Nothing refers to these: what left the view leaves the client at once. */
const removedAtOnce: ReadonlySet<XdsType> = new Set(["listener"]);
/** What a poorer version would harm, were it sent by an agent that does not know all yet. */
const shrinkingTypes: ReadonlySet<XdsType> = new Set(["endpoint", "secret"]);

/** A stream that wants more names than this is ended: its state must stay bounded. */
const maxSubscribedNames = 50_000;

/** The content of one response. */
export interface Taken {
  readonly upserts: readonly Resource[];
  readonly removed: readonly string[];
}

type Look =
  | { readonly t: "nothing" }
  | { readonly t: "upsert"; readonly resource: Resource }
  | { readonly t: "remove" };

export type HeldState = "sent" | "acked" | "refused" | "unknown";

/** One resource as one client holds it. */
export interface HeldResource {
  readonly type: XdsType;
  readonly name: string;
  /** Last version sent, or the refused one. */
  readonly version: string;
  readonly state: HeldState;
}

/**
 * What one stream wants of one type and what it has: the rules of the delta protocol. Knows nothing of
 * order between types, bytes or time.
 */
export class Ledger {
  readonly type: XdsType;
  /** Held by the client, not in the view, and not called removed in a response that was `sent`. */
  readonly gone: GoneNames = new GoneNames();
  readonly #view: View;
  readonly #common: CommonContents;
  #isWildcard = false;
  /** Whether an answer is due even if there is nothing to tell: a client waits for it. */
  #isAnswerDue = false;
  /** Subscribed names; their values say nothing. */
  readonly #names = new CommonMap();
  readonly #held = new CommonMap();
  /** Names to look at; what to do about each follows from view and `#held`. */
  readonly #dirty = new Set<string>();
  /** Names held back until the agent knows more. */
  readonly #parked = new Set<string>();
  /** Names with versions that the client brought along, as long as those are to be kept. */
  readonly #carried = new Set<string>();
  readonly #answers = new Answers();
  readonly #strange: StrangeHere;

  constructor(
    type: XdsType,
    options: {
      readonly view: View;
      readonly common: CommonContents;
      readonly strange: StrangeNames;
    },
  ) {
    this.type = type;
    this.#view = options.view;
    this.#common = options.common;
    this.#strange = new StrangeHere(options.strange);
  }

  /** Takes the first request of this type on its stream. */
  open(request: DeltaRequest): void {
    // Legacy wildcard: no name was ever subscribed on this stream.
    this.#isWildcard = wildcardTypes.has(this.type) && request.subscribe.length === 0;
    this.#isAnswerDue = this.#isWildcard;
    if (this.#isWildcard) this.#markAll();
    this.update(request);
    for (const [name, version] of request.initialVersions) this.#carry(name, version);
  }

  /** Takes the subscriptions of a request. Independent of its nonce, even of a stale one. */
  update(request: DeltaRequest): void {
    for (const name of request.subscribe) {
      if (name === wildcardName && wildcardTypes.has(this.type)) this.#subscribeAll();
      else this.#subscribe(name);
    }
    for (const name of request.unsubscribe) {
      if (name === wildcardName && wildcardTypes.has(this.type)) this.#unsubscribeAll();
      else this.#unsubscribe(name);
    }
  }

  /** Whether the stream wants more names than any honest client would. */
  get isOverfull(): boolean {
    return this.#names.size > maxSubscribedNames || this.#strange.isOverfull;
  }

  /** The stream has ended. */
  close(): void {
    this.#strange.clear();
  }

  /** The client must be answered, were it with nothing. */
  oweAnswer(): void {
    this.#isAnswerDue = true;
  }

  /** True when the change concerns this stream. */
  touch(name: string): boolean {
    const isMine = this.#isWildcard || this.#names.has(name);
    if (!isMine) return false;
    this.#dirty.add(name);
    this.gone.restart(name);
    return true;
  }

  /** Looks again at what was held back while the agent did not know all. */
  unpark(): void {
    for (const name of this.#parked) this.#dirty.add(name);
    this.#parked.clear();
  }

  /** The client must warm this resource anew, so the version that it brought along is of no use. */
  uncarry(name: string): void {
    if (this.#carried.delete(name) && this.#parked.delete(name)) this.#dirty.add(name);
  }

  /** Whether there may be news of the name that were not sent yet. */
  isDue(name: string): boolean {
    return this.#dirty.has(name);
  }

  /** Sends it once more, as it is: the client needs it anew. */
  renew(name: string): void {
    if (this.#isWildcard || this.#names.has(name)) this.#owe(name);
  }

  /** Everything the client was to be told of this type is on its way, but for removals. */
  get isSent(): boolean {
    return this.#dirty.size === 0 && !this.#isAnswerDue;
  }

  get isAnswered(): boolean {
    return this.#answers.waitingCount === 0;
  }

  /** The client holds exactly what it should: nothing refused, nothing on its way. */
  get isAtRest(): boolean {
    const isClean = this.gone.size === 0 && this.#parked.size === 0;
    return isClean && this.#answers.refusedCount === 0 && this.isSent && this.isAnswered;
  }

  get unansweredCount(): number {
    return this.#answers.waitingCount;
  }

  /**
   * Takes out what is to be sent now, at most about `maxBytes`: resources, and the names that are to be
   * called removed. Undefined: nothing. What others may still refer to waits in `gone`.
   */
  take(maxBytes: number): Taken | undefined {
    const upserts: Resource[] = [];
    const removed: string[] = [];
    let bytes = 0;
    for (const name of this.#dirty) {
      const look = this.#look(name);
      const size = look.t === "upsert" ? look.resource.entry.length : name.length;
      const isAlone = look.t === "upsert" && this.#answers.travelsAlone(name);
      const isFull = bytes > 0 && (isAlone || bytes + size > maxBytes);
      if (look.t !== "nothing" && isFull) break;
      this.#dirty.delete(name);
      if (look.t === "upsert") upserts.push(look.resource);
      else if (look.t === "remove") removed.push(name);
      if (look.t !== "nothing") bytes += size;
      if (isAlone) break;
    }
    const isNothing = upserts.length === 0 && removed.length === 0 && !this.#isAnswerDue;
    return isNothing ? undefined : { upserts, removed };
  }

  /** Notes that a response was handed to the stream. */
  sent(receipt: Receipt): void {
    this.#isAnswerDue = false;
    for (const [index, name] of receipt.names.entries()) {
      this.#held.set(name, receipt.versions[index] ?? unknown);
      this.gone.delete(name);
    }
    for (const name of receipt.removed) {
      this.#held.delete(name);
      this.gone.delete(name);
    }
    this.#answers.expect(receipt);
  }

  /** Takes the answer in a request, if there is one; returns what it refused. */
  answered(request: DeltaRequest, nowMs: number): Nack | undefined {
    const isLatest = (name: string, version: string): boolean => this.#held.get(name) === version;
    const verdict = this.#answers.take(request, { nowMs, isLatest });
    if (verdict.t === "acked" && this.isSent && this.isAnswered) this.#settle();
    if (verdict.t !== "nacked") return undefined;
    const isCovered = (name: string): boolean => this.#isWildcard || this.#names.has(name);
    const lost = verdict.removed.filter((name) => isCovered(name) && !this.#held.has(name));
    for (const name of [...verdict.unsure, ...lost]) {
      this.#held.set(name, unknown);
      this.#dirty.add(name);
    }
    return verdict.nack;
  }

  status(): {
    readonly isWildcard: boolean;
    readonly subscribed: number;
    readonly held: number;
    readonly unanswered: number;
    readonly refused: number;
    readonly lastNack?: Nack;
  } {
    const { waitingCount, refusedCount, lastNack } = this.#answers;
    return {
      isWildcard: this.#isWildcard,
      subscribed: this.#names.size,
      held: this.#held.size,
      unanswered: waitingCount,
      refused: refusedCount,
      ...(lastNack === undefined ? {} : { lastNack }),
    };
  }

  *heldResources(): Generator<HeldResource> {
    const onTheirWay = this.#answers.namesOnTheirWay();
    for (const [name, version] of this.#held.entries()) {
      if (version === owed) continue;
      const refused = this.#answers.refusedVersion(name);
      const state = onTheirWay.has(name) ? "sent" : version === unknown ? "unknown" : "acked";
      yield refused !== undefined && state === "unknown"
        ? { type: this.type, name, version: refused, state: "refused" }
        : { type: this.type, name, version, state };
    }
  }

  #settle(): void {
    this.#held.settle(this.#common);
    this.#names.settle(this.#common);
  }

  #wanted(name: string): Resource | undefined {
    return viewed(this.#view, { type: this.type, name });
  }

  /** What is to be done about a dirty name, as things stand. */
  #look(name: string): Look {
    const resource = this.#wanted(name);
    const held = this.#held.get(name);
    if (resource === undefined) return this.#lookAtGone(name, held);
    this.gone.delete(name);
    if (this.#isHeldBack(name)) return this.#park(name);
    const { version } = resource;
    const isKnown = held === version || this.#answers.refusedVersion(name) === version;
    return isKnown ? { t: "nothing" } : { t: "upsert", resource };
  }

  #lookAtGone(name: string, held: string | undefined): Look {
    if (held === undefined) return { t: "nothing" };
    const isUnsure = this.#view.isSettled?.({ type: this.type, name }) === false;
    if (isUnsure && (held !== owed || this.#carried.has(name))) return this.#park(name);
    if (held === owed || removedAtOnce.has(this.type)) {
      this.gone.delete(name);
      return { t: "remove" };
    }
    this.gone.add(name);
    return { t: "nothing" };
  }

  #park(name: string): Look {
    this.#parked.add(name);
    return { t: "nothing" };
  }

  #isHeldBack(name: string): boolean {
    if (!this.#carried.has(name)) return false;
    if (this.#view.isSettled?.({ type: this.type, name }) === false) return true;
    this.#carried.delete(name);
    return false;
  }

  #markAll(): void {
    // What a proxy has alone stands in the first sets. Told last, it leaves the responses before it as others get them.
    const view = { ...this.#view, sets: this.#view.sets.toReversed() };
    for (const resource of viewedAll(view, this.type)) this.#dirty.add(resource.name);
    for (const name of this.#held.keys()) this.#dirty.add(name);
  }

  #subscribeAll(): void {
    // Asked for once more: the client may have forgotten all it had.
    if (this.#isWildcard) for (const name of this.#held.keys()) this.#owe(name);
    this.#isWildcard = true;
    this.#isAnswerDue = true;
    this.#markAll();
  }

  #unsubscribeAll(): void {
    this.#isWildcard = false;
    this.#isAnswerDue = false;
    for (const name of [...this.#held.keys(), ...this.#dirty]) {
      if (!this.#names.has(name)) this.#forget(name);
    }
  }

  // Every name subscribed is answered, even one that the client should have: it may have dropped it and
  // regained interest before it could unsubscribe.
  #subscribe(name: string): void {
    const known = this.#wanted(name)?.name;
    if (known === undefined) this.#strange.add(name);
    const shared = known ?? name;
    this.#names.set(shared, "");
    this.#owe(shared);
  }

  #unsubscribe(name: string): void {
    if (!this.#names.delete(name)) return;
    this.#strange.delete(name);
    // The wildcard still covers it, and the client cannot know whether there is such a resource.
    if (this.#isWildcard) this.#owe(name);
    else this.#forget(name);
  }

  #owe(name: string): void {
    // What the client may have it loses in the order of removals, should it be gone by now.
    const hasSome = (this.#held.get(name) ?? owed) !== owed;
    this.#held.set(name, hasSome ? unknown : owed);
    this.#answers.forgive(name);
    this.#dirty.add(name);
  }

  #forget(name: string): void {
    for (const names of [this.#held, this.#dirty, this.gone, this.#parked, this.#carried]) {
      names.delete(name);
    }
    this.#answers.forget(name);
  }

  #carry(name: string, version: string): void {
    if (!this.#isWildcard && !this.#names.has(name)) return;
    const resource = this.#wanted(name);
    const shared = resource?.name ?? name;
    if (resource === undefined) this.#strange.add(name);
    if (shrinkingTypes.has(this.type)) this.#carried.add(shared);
    // Endpoints are sent whatever the client has: it may be warming a cluster and not ask again.
    const isUseless = this.type === "endpoint" || version === "";
    const kept = resource?.version === version ? resource.version : version;
    this.#held.set(shared, isUseless ? unknown : kept);
    this.#dirty.add(shared);
  }
}
