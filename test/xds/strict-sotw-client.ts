import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { typeUrls, type XdsType, xdsTypes } from "../../src/xds/resource.ts";
import type { SotwRequest } from "../../src/xds/sotw-codec.ts";
import type { Told } from "./sotw-harness.ts";
import type { Body } from "./strict-client.ts";

/**
 * `all`: clusters and listeners by wildcard, a refusal drops the whole response and names nobody, as an
 * Envoy's. `named`: everything by name, from the listeners on; the good ones of a response are taken, the
 * others counted, as by gRPC's libraries.
 */
export type Manner = "all" | "named";

export interface NamedBody extends Body {
  readonly name: string;
}

type ByType<T> = Readonly<Record<XdsType, T>>;

function byType<T>(make: () => T): ByType<T> {
  return { cluster: make(), endpoint: make(), secret: make(), listener: make(), route: make() };
}

const wholeTypes: ReadonlySet<XdsType> = new Set(["cluster", "listener"]);

/** A state-of-the-world client that fails the test as soon as the server breaks the protocol. */
export class StrictSotwClient {
  readonly held: ByType<Map<string, NamedBody>> = byType(() => new Map<string, NamedBody>());
  readonly #manner: Manner;
  readonly #listeners: readonly string[];
  readonly #versions = new Map<XdsType, string>();
  #asked: ByType<Set<string>> = byType(() => new Set<string>());
  #opened = new Set<XdsType>();
  #nonces = new Map<XdsType, string>();
  #seenNonces = new Set<string>();
  /** Clusters that wait for endpoints; the answer to clusters waits for them, as Envoy's does. */
  readonly #warming = new Set<string>();
  #isClusterAnswerDue = false;
  /** What it refused on this stream and did not ask for anew. */
  #refused = new Set<string>();

  constructor(manner: Manner, listeners: readonly string[]) {
    this.#manner = manner;
    this.#listeners = listeners;
  }

  /** The first requests of a stream. */
  connect(): SotwRequest[] {
    this.#nonces = new Map();
    this.#seenNonces = new Set();
    this.#opened = new Set();
    this.#refused = new Set();
    this.#isClusterAnswerDue = false;
    this.#asked = byType(() => new Set<string>());
    return this.#ask();
  }

  receive(response: Told): SotwRequest[] {
    const { type, nonce } = response;
    assert.ok(!this.#seenNonces.has(nonce), "a nonce comes twice on one stream");
    assert.notEqual(response.version, "", "a response comes without a version");
    this.#seenNonces.add(nonce);
    this.#nonces.set(type, nonce);
    const bodies = response.bodies.map((body) => bodyOf(type, body));
    for (const body of bodies) this.#assertNotRefused(type, body);
    const bad = bodies.flatMap(({ fault }, index) => (fault === undefined ? [] : [index]));
    if (bad.length > 0 && this.#manner === "all") {
      // Whole responses are told apart by being sent again; only a single one is surely at fault.
      return [this.#request(type, "Proto constraint validation failed"), ...this.#ask()];
    }
    this.#take(type, bodies);
    if (bad.length < bodies.length || bad.length === 0) this.#versions.set(type, response.version);
    if (bad.length === 0) return this.#accept(type);
    for (const index of bad) this.#refuse(type, bodies[index]);
    const reasons = bad.map((index) => `resource index ${index}: bad`).join("; ");
    const error = `xDS response validation errors: [${reasons}]`;
    return [this.#request(type, error), ...this.#ask()];
  }

  #accept(type: XdsType): SotwRequest[] {
    if (this.#manner === "named") return [this.#request(type), ...this.#ask()];
    if (type === "cluster") this.#isClusterAnswerDue = true;
    const answers = type === "cluster" ? [] : [this.#request(type)];
    const asked = this.#ask();
    if (!this.#isClusterAnswerDue || this.#warming.size > 0) return [...answers, ...asked];
    this.#isClusterAnswerDue = false;
    return [...answers, ...asked, this.#request("cluster")];
  }

  isInterested(type: XdsType, name: string): boolean {
    return this.#isAll(type) || this.#wanted(type).has(name);
  }

  #assertNotRefused(type: XdsType, body: NamedBody): void {
    assert.ok(!this.#refused.has(keyOf(type, body)), `${type} ${body.name} was refused already`);
  }

  #take(type: XdsType, bodies: readonly NamedBody[]): void {
    const named = new Map(bodies.map((body) => [body.name, body]));
    if (wholeTypes.has(type)) {
      for (const name of this.held[type].keys()) {
        if (named.has(name)) continue;
        this.held[type].delete(name);
        if (type === "cluster") this.#warming.delete(name);
      }
      // It may be one that was removed meanwhile, and may come back.
      this.#forgive(type, (name) => !named.has(name));
    }
    for (const [name, body] of named) {
      // It crossed the request that no longer names it.
      if (body.fault === undefined && this.isInterested(type, name)) {
        const isNews = !isDeepStrictEqual(this.held[type].get(name), body);
        if (type === "cluster" && isNews) this.#warming.add(name);
        if (type === "endpoint") this.#warming.delete(name);
        this.held[type].set(name, body);
        this.#forgive(type, (other) => other === name);
      }
    }
  }

  /** Only the latest of a name: it may be tried once more after another one. */
  #refuse(type: XdsType, body: NamedBody | undefined): void {
    this.#forgive(type, (name) => name === body?.name);
    this.#refused.add(keyOf(type, body));
  }

  #forgive(type: XdsType, isMeant: (name: string) => boolean): void {
    for (const key of this.#refused) {
      const [of, name = ""] = key.split(" ");
      if (of === type && isMeant(name)) this.#refused.delete(key);
    }
  }

  #isAll(type: XdsType): boolean {
    return this.#manner === "all" && wholeTypes.has(type);
  }

  #wanted(type: XdsType): ReadonlySet<string> {
    const clusters = [...this.held.cluster.values()];
    switch (type) {
      case "listener":
        return new Set(this.#listeners);
      case "route":
        return new Set([...this.held.listener.values()].flatMap(({ routes = [] }) => routes));
      case "cluster":
        return new Set(
          [...this.held.listener.values(), ...this.held.route.values()].flatMap(
            ({ clusters: used = [] }) => used,
          ),
        );
      case "endpoint":
        return new Set(clusters.map(({ name }) => name));
      case "secret":
        return new Set(clusters.flatMap(({ secrets = [] }) => secrets));
    }
  }

  /** Requests for the types whose names changed, until nothing changes any more. */
  #ask(): SotwRequest[] {
    const requests: SotwRequest[] = [];
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      for (const type of xdsTypes) {
        if (!this.#isNews(type)) continue;
        isChanged = true;
        requests.push(this.#request(type));
      }
    }
    return requests;
  }

  #isNews(type: XdsType): boolean {
    if (this.#isAll(type)) return !this.#opened.has(type);
    const wanted = this.#wanted(type);
    const asked = this.#asked[type];
    return wanted.size !== asked.size || [...wanted].some((name) => !asked.has(name));
  }

  #request(type: XdsType, error?: string): SotwRequest {
    this.#opened.add(type);
    if (!this.#isAll(type)) this.#rename(type, this.#wanted(type));
    return {
      typeUrl: typeUrls[type],
      names: [...this.#asked[type]],
      version: this.#versions.get(type) ?? "",
      nonce: this.#nonces.get(type) ?? "",
      ...(error === undefined ? {} : { error }),
    };
  }

  #rename(type: XdsType, wanted: ReadonlySet<string>): void {
    const asked = this.#asked[type];
    for (const name of asked) {
      if (wanted.has(name)) continue;
      asked.delete(name);
      this.held[type].delete(name);
    }
    for (const name of wanted) {
      if (asked.has(name)) continue;
      asked.add(name);
      this.#forgive(type, (other) => other === name);
    }
  }
}

/** Endpoints that do not exist come as an assignment of nothing, its name after two bytes. */
function bodyOf(type: XdsType, body: string): NamedBody {
  if (type === "endpoint" && !body.startsWith("{")) return { name: body.slice(2), rev: -1 };
  return JSON.parse(body) as NamedBody;
}

function keyOf(type: XdsType, body: NamedBody | undefined): string {
  return `${type} ${body?.name ?? ""} ${JSON.stringify(body)}`;
}
