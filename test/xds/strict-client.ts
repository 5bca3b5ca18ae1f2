import assert from "node:assert/strict";
import type { DeltaRequest } from "../../src/xds/codec.ts";
import type { XdsType } from "../../src/xds/resource.ts";
import { requestOf, type Seen } from "./harness.ts";

/** What the bodies of the test's resources say. */
export interface Body {
  readonly rev: number;
  /** Names of the type that this one refers to. */
  readonly routes?: readonly string[];
  readonly clusters?: readonly string[];
  readonly secrets?: readonly string[];
  /** `proto`: the client drops the whole response; `named`: it names this one and takes the others. */
  readonly fault?: "proto" | "named";
}

interface Held {
  readonly version: string;
  readonly body: Body;
}

type ByType<T> = Readonly<Record<XdsType, T>>;

function byType<T>(make: () => T): ByType<T> {
  return { cluster: make(), endpoint: make(), secret: make(), listener: make(), route: make() };
}

/**
 * A delta client as Envoy is one: wildcard for clusters and listeners, names for what those refer to,
 * clusters and listeners in force only once warmed, last good kept after a refusal. It fails the test as
 * soon as the server breaks the protocol or lets a reference dangle.
 */
export class StrictClient {
  readonly held: ByType<Map<string, Held>> = byType(() => new Map<string, Held>());
  readonly #subscribed: ByType<Set<string>> = byType(() => new Set<string>());
  /** Clusters that wait for endpoints since their last change. */
  readonly #warming = new Set<string>();
  readonly #warmClusters = new Set<string>();
  /** Listeners in force, with what they refer to. */
  readonly #active = new Map<string, Body>();
  readonly #refusedClusters = new Set<string>();
  #nonces = new Set<string>();
  #extraNames = new Set<string>();

  /** The first requests of a stream. */
  connect(): DeltaRequest[] {
    this.#nonces = new Set();
    const versions = (type: XdsType): Map<string, string> =>
      new Map([...this.held[type]].map(([name, { version }]) => [name, version]));
    const wildcard = (type: XdsType): DeltaRequest => {
      const names = type === "cluster" ? [...this.#extraNames] : [];
      const subscribe = names.length > 0 ? ["*", ...names] : [];
      return requestOf(type, { subscribe, initialVersions: versions(type) });
    };
    const named = (["endpoint", "secret", "route"] as const).flatMap((type) => {
      const subscribe = [...this.#subscribed[type]];
      return subscribe.length > 0
        ? [requestOf(type, { subscribe, initialVersions: versions(type) })]
        : [];
    });
    return [wildcard("cluster"), ...named, wildcard("listener")];
  }

  /** Takes a response; returns new subscriptions first, then its answer. */
  receive(response: Seen): DeltaRequest[] {
    assert.ok(!this.#nonces.has(response.nonce), "a nonce comes twice on one stream");
    this.#nonces.add(response.nonce);
    const bodies = new Map(response.names.map((name) => [name, bodyOf(response, name)]));
    const isDropped = [...bodies.values()].some((body) => body.fault === "proto");
    const named = [...bodies].filter(([, body]) => body.fault === "named").map(([name]) => name);
    for (const [name, body] of bodies) {
      if (body.fault !== undefined && response.type === "cluster") this.#refusedClusters.add(name);
    }
    if (isDropped) return [this.#answer(response, "Proto constraint validation failed")];
    for (const [name, body] of bodies) {
      if (body.fault === undefined) this.#upsert(response, { name, body });
    }
    for (const name of response.removed) this.#remove(response.type, name);
    this.#warmListeners();
    this.#assertWhole();
    const subscriptions = this.#subscriptions();
    const list = named.map((name) => `${name}: bad`).join(", ");
    const error =
      named.length > 0 ? `Error adding/updating ${response.type}(s) ${list}` : undefined;
    return [...subscriptions, this.#answer(response, error)];
  }

  /** Subscribes to a cluster by name beside the wildcard, or takes that back. */
  toggle(name: string): DeltaRequest {
    if (this.#extraNames.delete(name)) return requestOf("cluster", { unsubscribe: [name] });
    this.#extraNames.add(name);
    return requestOf("cluster", { subscribe: [name] });
  }

  /** What it should hold of a type, given all that exists. */
  isInterested(type: XdsType, name: string): boolean {
    return type === "cluster" || type === "listener" || this.#subscribed[type].has(name);
  }

  #answer(response: Seen, error: string | undefined): DeltaRequest {
    return requestOf(response.type, {
      nonce: response.nonce,
      ...(error === undefined ? {} : { error }),
    });
  }

  #upsert(response: Seen, { name, body }: { readonly name: string; readonly body: Body }): void {
    const { type } = response;
    const version = response.versions.get(name) ?? "";
    assert.notEqual(version, "", "a resource comes without a version");
    // It crossed the unsubscription on its way.
    if (!this.isInterested(type, name)) return;
    this.held[type].set(name, { version, body });
    if (type === "cluster") this.#warming.add(name);
    if (type === "endpoint" && this.#warming.delete(name)) this.#warmClusters.add(name);
  }

  #remove(type: XdsType, name: string): void {
    this.held[type].delete(name);
    if (type === "cluster") {
      this.#warming.delete(name);
      this.#warmClusters.delete(name);
    }
    if (type === "listener") this.#active.delete(name);
  }

  #warmListeners(): void {
    for (const [name, { body }] of this.held.listener) {
      if ((body.routes ?? []).every((route) => this.held.route.has(route)))
        this.#active.set(name, body);
    }
  }

  #assertWhole(): void {
    for (const [listener, body] of this.#active) {
      for (const route of body.routes ?? []) {
        const held = this.held.route.get(route);
        assert.ok(held, `listener ${listener} uses route ${route}, which is gone`);
        for (const cluster of held.body.clusters ?? [])
          this.#assertUsable(cluster, `route ${route}`);
      }
      for (const cluster of body.clusters ?? [])
        this.#assertUsable(cluster, `listener ${listener}`);
    }
    for (const name of this.held.cluster.keys()) {
      if (this.#warming.has(name)) continue;
      assert.ok(this.held.endpoint.has(name), `cluster ${name} lost its endpoints`);
    }
  }

  #assertUsable(cluster: string, user: string): void {
    if (this.#refusedClusters.has(cluster)) return;
    assert.ok(
      this.#warmClusters.has(cluster),
      `${user} uses cluster ${cluster}, which is not there`,
    );
  }

  #subscriptions(): DeltaRequest[] {
    const wanted = byType(() => new Set<string>());
    for (const [name, { body }] of this.held.cluster) {
      wanted.endpoint.add(name);
      for (const secret of body.secrets ?? []) wanted.secret.add(secret);
    }
    for (const { body } of this.held.listener.values()) {
      for (const route of body.routes ?? []) wanted.route.add(route);
    }
    for (const body of this.#active.values()) {
      for (const route of body.routes ?? []) wanted.route.add(route);
    }
    return (["endpoint", "secret", "route"] as const).flatMap((type) =>
      this.#resubscribe(type, wanted),
    );
  }

  #resubscribe(type: "endpoint" | "secret" | "route", wanted: ByType<Set<string>>): DeltaRequest[] {
    const have = this.#subscribed[type];
    const subscribe = [...wanted[type]].filter((name) => !have.has(name));
    const unsubscribe = [...have].filter((name) => !wanted[type].has(name));
    for (const name of subscribe) have.add(name);
    for (const name of unsubscribe) {
      have.delete(name);
      this.held[type].delete(name);
    }
    const isNews = subscribe.length > 0 || unsubscribe.length > 0;
    return isNews ? [requestOf(type, { subscribe, unsubscribe })] : [];
  }
}

function bodyOf(response: Seen, name: string): Body {
  return JSON.parse(response.bodies.get(name) ?? "{}") as Body;
}
