import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import type { DeltaRequest } from "../../src/xds/codec.ts";
import { type DeltaLimits, DeltaSession } from "../../src/xds/delta.ts";
import { sealResource } from "../../src/xds/encode.ts";
import { DeltaDiscoveryResponseSchema } from "../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import {
  type Resource,
  type ResourceKey,
  typeUrls,
  type XdsType,
  xdsTypes,
} from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { type Delivery, Responses } from "../../src/xds/responses.ts";
import type { View } from "../../src/xds/view.ts";

/** A resource whose body is text: the protocol never looks inside. */
export function resource(key: ResourceKey, body: string): Resource {
  return sealResource({ ...key, value: Buffer.from(body) });
}

export function requestOf(
  type: XdsType,
  parts: Partial<Omit<DeltaRequest, "typeUrl">> = {},
): DeltaRequest {
  return {
    typeUrl: typeUrls[type],
    subscribe: [],
    unsubscribe: [],
    initialVersions: new Map(),
    nonce: "",
    ...parts,
  };
}

export interface Seen {
  readonly type: XdsType;
  readonly nonce: string;
  readonly names: readonly string[];
  readonly versions: ReadonlyMap<string, string>;
  readonly bodies: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
}

/** What a client reads out of a response, by the generated types. */
export function seen(delivery: Delivery): Seen {
  const response = fromBinary(DeltaDiscoveryResponseSchema, delivery.bytes);
  const type = xdsTypes.find((candidate) => typeUrls[candidate] === response.typeUrl);
  assert.ok(type, response.typeUrl);
  for (const entry of response.resources) assert.equal(entry.resource?.typeUrl, response.typeUrl);
  const names = response.resources.map((entry) => entry.name);
  const all = [...names, ...response.removedResources];
  assert.equal(new Set(all).size, all.length, "a name comes twice in one response");
  return {
    type,
    nonce: response.nonce,
    names,
    versions: new Map(response.resources.map((entry) => [entry.name, entry.version])),
    bodies: new Map(
      response.resources.map((entry) => [
        entry.name,
        Buffer.from(entry.resource?.value ?? new Uint8Array()).toString(),
      ]),
    ),
    removed: response.removedResources,
  };
}

/** One stream over one set, with the wire in between. */
export class Bench {
  readonly set: ResourceSet = new ResourceSet("test");
  readonly session: DeltaSession;
  nowMs = 1_000_000;

  constructor(
    options: { readonly limits?: Partial<DeltaLimits>; readonly view?: Partial<View> } = {},
  ) {
    const view: View = { sets: [this.set], ...options.view };
    const limits = options.limits ?? {};
    this.session = new DeltaSession({ view, responses: new Responses(), limits });
    for (const set of view.sets) set.onChange((changed) => this.session.touch(changed));
  }

  put(type: XdsType, bodies: Readonly<Record<string, string>>): void {
    const upserts = Object.entries(bodies).map(([name, body]) => resource({ type, name }, body));
    this.set.apply({ upserts, removed: [] });
  }

  drop(type: XdsType, ...names: readonly string[]): void {
    this.set.apply({ upserts: [], removed: names.map((name) => ({ type, name })) });
  }

  /** Sends a request and takes all responses that follow without an answer. */
  ask(type: XdsType, parts: Parameters<typeof requestOf>[1] = {}): readonly Seen[] {
    this.session.request(requestOf(type, parts), this.nowMs);
    return this.drain();
  }

  drain(): readonly Seen[] {
    const all: Seen[] = [];
    for (;;) {
      const delivery = this.session.next(this.nowMs);
      if (delivery === undefined) return all;
      all.push(seen(delivery));
      assert.ok(all.length < 10_000, "the server never falls silent");
    }
  }

  ack(response: Seen): readonly Seen[] {
    return this.ask(response.type, { nonce: response.nonce });
  }

  nack(response: Seen, error: string): readonly Seen[] {
    return this.ask(response.type, { nonce: response.nonce, error });
  }

  /** Answers everything until both sides are silent; returns what came meanwhile. */
  settle(responses: readonly Seen[]): readonly Seen[] {
    const all: Seen[] = [...responses];
    for (const response of all) all.push(...this.ack(response));
    return all;
  }
}

/** `cluster+a,b` or `cluster-c`: the shape of a response in one word. */
function shape(response: Seen): string {
  const upserts = response.names.length > 0 ? `+${response.names.join(",")}` : "";
  const removed = response.removed.length > 0 ? `-${response.removed.join(",")}` : "";
  return `${response.type}${upserts}${removed}`;
}

export function shapes(responses: readonly Seen[]): readonly string[] {
  return responses.map(shape);
}

/** The one response there is. */
export function only(responses: readonly Seen[]): Seen {
  assert.equal(responses.length, 1);
  const [response] = responses;
  assert.ok(response);
  return response;
}
