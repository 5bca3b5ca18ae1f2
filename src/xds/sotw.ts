import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { DeltaRequest } from "./codec.ts";
import type { CommonContents } from "./common-map.ts";
import { type DeltaLimits, DeltaSession, typeOfUrl } from "./delta.ts";
import { sealResource } from "./encode.ts";
import { blamedIndices, blamedNames } from "./nack.ts";
import { type Resource, typeUrls, type XdsType } from "./resource.ts";
import { type Content, type Delivery, Responses } from "./responses.ts";
import type { RequestOutcome, XdsSession } from "./session.ts";
import { encodeSotwResponse, type SotwRequest } from "./sotw-codec.ts";
import type { StrangeNames } from "./strange-names.ts";
import { type View, viewed } from "./view.ts";

const wildcardName = "*";
/** Types whose responses say all there is: what one leaves out, the client removes. */
const wholeTypes: ReadonlySet<XdsType> = new Set(["cluster", "listener"]);
/** Nobody sees this nonce: it stands for responses that this dialect has no words for. */
const silentNonce = "silent";

/** Responses in bytes of the state-of-the-world dialect, shared by all its streams. */
export function sotwResponses(): Responses {
  return new Responses(({ type, upserts, whole = upserts }, nonce) =>
    encodeSotwResponse({ typeUrl: typeUrls[type], nonce, resources: whole }),
  );
}

export interface SotwOptions {
  readonly view: View;
  /** From `sotwResponses`, shared by all streams of a server. */
  readonly responses: Responses;
  readonly common?: CommonContents;
  readonly strange?: StrangeNames;
  readonly limits?: Partial<DeltaLimits>;
}

/** What was sent last and is not answered yet. */
interface Pending {
  /** As they stand in the response; the client blames by index. */
  readonly names: readonly string[];
  /** What the client had of each name that changes; undefined: nothing. */
  readonly before: ReadonlyMap<string, Resource | undefined>;
}

interface TypeState {
  /** As last asked for, wildcard included; undefined: nobody named anything yet, which means all. */
  names: ReadonlySet<string> | undefined;
  /** Names that it came with; the wildcard: nobody knows which. */
  readonly carried: ReadonlySet<string>;
  /** Of the latest response; empty: none yet. */
  nonce: string;
  pending: Pending | undefined;
  /** What the client has, of types that are told whole. */
  readonly has: Map<string, Resource>;
  /** Refused, and nobody here knows which version the client goes on with, if it came with one. */
  readonly unknown: Set<string>;
}

/**
 * One state-of-the-world stream: the same ledgers, order, graces and judgement of refusals as a delta stream,
 * said in the other dialect. Requests that list all names become subscriptions; changes of clusters and
 * listeners are told as everything there is, with what the client refused as it last accepted it.
 */
export class SotwSession implements XdsSession<SotwRequest> {
  readonly #view: View;
  readonly #delta: DeltaSession;
  readonly #responses: Responses;
  readonly #types = new Map<XdsType, TypeState>();
  /** Endpoints told since the latest response of clusters. */
  readonly #warmed = new Set<string>();

  constructor(options: SotwOptions) {
    const { view, limits } = options;
    this.#view = view;
    this.#responses = options.responses;
    this.#delta = new DeltaSession({
      view,
      responses: { deliver: (content, { after }) => this.#deliver(content, after) },
      ...(options.common === undefined ? {} : { common: options.common }),
      ...(options.strange === undefined ? {} : { strange: options.strange }),
      // An answer belongs to the latest response of its type: there is one at a time.
      limits: { ...limits, maxUnanswered: 1 },
      uncut: wholeTypes,
      isHeldBack: (type) => this.#isHeldBack(type),
    });
  }

  request(request: SotwRequest, nowMs: number): RequestOutcome {
    const type = typeOfUrl.get(request.typeUrl);
    if (type === undefined) return { t: "foreign", typeUrl: request.typeUrl };
    const known = this.#types.get(type);
    // The client has not seen the latest response yet; it will say all of this again when it has.
    if (known !== undefined && request.nonce !== known.nonce) return { t: "ok" };
    const state = known ?? newState(request);
    this.#types.set(type, state);
    const { pending } = state;
    state.pending = undefined;
    const outcome = this.#delta.request(
      {
        typeUrl: request.typeUrl,
        ...subscribe(state, { names: new Set(request.names), isFirst: known === undefined }),
        initialVersions: known === undefined ? carriedBy(request) : nothingAsked.initialVersions,
        ...(pending === undefined ? { nonce: "" } : answerOf(request, pending)),
      },
      nowMs,
    );
    if (outcome.t === "nack" && pending !== undefined) {
      takeBack(state, pending, outcome.nack.names);
      // It may have dropped all of the response, and with it what was left out to be removed.
      const isOwed = pending.before.size > 0 && isBlind(request, pending);
      if (isOwed && wholeTypes.has(type)) this.#delta.oweAnswer(type);
    }
    dropUnasked(state);
    return outcome;
  }

  touch(...args: Parameters<DeltaSession["touch"]>): boolean {
    return this.#delta.touch(...args);
  }

  resettle(): void {
    this.#delta.resettle();
  }

  next(nowMs: number): Delivery | undefined {
    for (;;) {
      const delivery = this.#delta.next(nowMs) ?? this.#delta.dismiss("endpoint", this.#isAwaited);
      if (delivery?.receipt.nonce !== silentNonce) return delivery;
      const typeUrl = typeUrls[delivery.receipt.type];
      this.#delta.request({ ...nothingAsked, typeUrl, nonce: silentNonce }, nowMs);
    }
  }

  get wakeAtMs(): number | undefined {
    return this.#delta.wakeAtMs;
  }

  status(): ReturnType<DeltaSession["status"]> {
    return this.#delta.status();
  }

  heldResources(type?: XdsType): ReturnType<DeltaSession["heldResources"]> {
    return this.#delta.heldResources(type);
  }

  close(): void {
    this.#delta.close();
  }

  /** An Envoy answers to clusters when they are warm: it must hear of endpoints that are gone before that. */
  readonly #isAwaited = (name: string): boolean =>
    this.#types.get("cluster")?.pending?.before.has(name) === true && !this.#warmed.has(name);

  #noteWarming({ type, upserts, removed }: Content): void {
    if (type === "cluster") this.#warmed.clear();
    if (type !== "endpoint") return;
    for (const { name } of upserts) this.#warmed.add(name);
    for (const name of removed) this.#warmed.add(name);
  }

  #deliver(content: Content, after: number): Delivery {
    const state = this.#types.get(content.type);
    if (state === undefined) throw new TypeError("a response for a type that nobody asked for");
    this.#noteWarming(content);
    const before = new Map(content.upserts.map(({ name }) => [name, state.has.get(name)]));
    if (wholeTypes.has(content.type)) {
      for (const resource of content.upserts) {
        state.has.set(resource.name, resource);
        state.unknown.delete(resource.name);
      }
      for (const name of content.removed) state.has.delete(name);
      return this.#send(state, { ...content, whole: [...state.has.values()] }, { before, after });
    }
    // It has no way to say that something is gone: whoever referred to it stops doing so. But clusters wait
    // for their endpoints, so those are said to be none.
    const isAwaited = content.type === "endpoint";
    const none = isAwaited ? content.removed.map(emptyAssignment) : [];
    const whole = [...content.upserts, ...none];
    if (whole.length === 0) return silent(content, after);
    return this.#send(state, { ...content, whole }, { before, after });
  }

  #send(
    state: TypeState,
    content: Content & { readonly whole: readonly Resource[] },
    { before, after }: { readonly before: Pending["before"]; readonly after: number },
  ): Delivery {
    const delivery = this.#responses.deliver(content, { after });
    const names = content.whole.map(({ name }) => name);
    state.nonce = delivery.receipt.nonce;
    state.pending = { names, before };
    return delivery;
  }

  /**
   * Whether a whole response would remove what the client came with, while the agent may not know all: what is
   * not in the view, and what the client keeps instead of a version that it refused.
   */
  #isHeldBack(type: XdsType): boolean {
    const state = this.#types.get(type);
    if (state === undefined || !wholeTypes.has(type)) return false;
    const isUnsure = (name: string): boolean =>
      this.#view.isSettled?.({ type, name }) === false &&
      !state.has.has(name) &&
      (state.unknown.has(name) || viewed(this.#view, { type, name }) === undefined);
    const isAsked = (name: string): boolean =>
      state.names === undefined ? name === wildcardName : state.names.has(name);
    return [...state.carried].some((name) => isUnsure(name) && isAsked(name));
  }
}

const nothingAsked: Omit<DeltaRequest, "typeUrl" | "nonce"> = {
  subscribe: [],
  unsubscribe: [],
  initialVersions: new Map(),
};

function newState(first: SotwRequest): TypeState {
  return {
    names: undefined,
    carried: new Set(first.version === "" ? [] : orAll(first.names)),
    nonce: "",
    pending: undefined,
    has: new Map(),
    unknown: new Set(),
  };
}

function orAll(names: readonly string[]): readonly string[] {
  return names.length === 0 ? [wildcardName] : names;
}

/** What the client kept from an earlier stream. Which version of each it does not say. */
function carriedBy({ names, version }: SotwRequest): ReadonlyMap<string, string> {
  const carried = version === "" ? [] : names.filter((name) => name !== wildcardName);
  return new Map(carried.map((name) => [name, version]));
}

/** An envoy.config.endpoint.v3.ClusterLoadAssignment with nothing but its cluster's name. */
function emptyAssignment(name: string): Resource {
  const value = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name).finish();
  return sealResource({ type: "endpoint", name, value });
}

function silent(content: Content, after: number): Delivery {
  const { type, upserts, removed } = content;
  const names = upserts.map(({ name }) => name);
  const versions = upserts.map(({ version }) => version);
  const receipt = { type, nonce: silentNonce, names, versions, removed };
  return { bytes: Buffer.alloc(0), receipt, push: after };
}

function answerOf(
  { nonce, error }: SotwRequest,
  pending: Pending,
): Pick<DeltaRequest, "nonce" | "error" | "blamed"> {
  if (error === undefined) return { nonce };
  const blamed = blamedIndices(error)
    .map((index) => pending.names[index] ?? "")
    .filter((name) => pending.before.has(name));
  return { nonce, error, ...(blamed.length === 0 ? {} : { blamed }) };
}

/** Whether a refusal names nobody, in no way that is known. */
function isBlind({ error = "" }: SotwRequest, { names }: Pending): boolean {
  return blamedIndices(error).length === 0 && blamedNames(error, names).length === 0;
}

/** What a list of names adds and takes away; notes it as the new one. */
function subscribe(
  state: TypeState,
  asked: { readonly names: ReadonlySet<string>; readonly isFirst: boolean },
): Pick<DeltaRequest, "subscribe" | "unsubscribe"> {
  const { names, isFirst } = asked;
  // An empty list means all until the first name, and nothing from then on.
  if (state.names === undefined && names.size === 0) return { subscribe: [], unsubscribe: [] };
  const before = state.names ?? new Set(isFirst ? [] : [wildcardName]);
  state.names = names;
  return {
    subscribe: [...names].filter((name) => !before.has(name)),
    unsubscribe: [...before].filter((name) => !names.has(name)),
  };
}

function dropUnasked({ names, has }: TypeState): void {
  if (names === undefined || names.has(wildcardName)) return;
  for (const name of has.keys()) if (!names.has(name)) has.delete(name);
}

/** What the client refused it goes on with as it was; `refused` empty: it may have dropped all. */
function takeBack(state: TypeState, pending: Pending, refused: readonly string[]): void {
  const names = refused.length > 0 ? refused : pending.before.keys();
  for (const name of names) {
    const before = pending.before.get(name);
    if (before !== undefined) state.has.set(name, before);
    else if (state.has.delete(name)) state.unknown.add(name);
  }
}
