import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import type { DeltaLimits } from "../../src/xds/delta.ts";
import { DiscoveryResponseSchema } from "../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { typeUrls, type XdsType, xdsTypes } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import type { Delivery } from "../../src/xds/responses.ts";
import { SotwSession, sotwResponses } from "../../src/xds/sotw.ts";
import type { SotwRequest } from "../../src/xds/sotw-codec.ts";
import type { View } from "../../src/xds/view.ts";
import { resource } from "./harness.ts";

function sotwRequestOf(
  type: XdsType,
  parts: Partial<Omit<SotwRequest, "typeUrl">> = {},
): SotwRequest {
  return { typeUrl: typeUrls[type], names: [], version: "", nonce: "", ...parts };
}

export interface Told {
  readonly type: XdsType;
  readonly nonce: string;
  readonly version: string;
  readonly bodies: readonly string[];
}

/** What a client reads out of a response, by the generated types. Names stand in the bodies. */
export function told(delivery: Delivery): Told {
  const response = fromBinary(DiscoveryResponseSchema, delivery.bytes);
  const type = xdsTypes.find((candidate) => typeUrls[candidate] === response.typeUrl);
  assert.ok(type, response.typeUrl);
  for (const any of response.resources) assert.equal(any.typeUrl, response.typeUrl);
  const bodies = response.resources.map((any) => Buffer.from(any.value).toString());
  assert.equal(new Set(bodies).size, bodies.length, "a resource comes twice in one response");
  return { type, nonce: response.nonce, version: response.versionInfo, bodies };
}

/** One stream over one set, with the wire in between. A body is `name=content`. */
export class SotwBench {
  readonly set: ResourceSet = new ResourceSet("test");
  readonly session: SotwSession;
  nowMs = 1_000_000;

  constructor(view: Partial<View> = {}, limits: Partial<DeltaLimits> = {}) {
    const whole: View = { sets: [this.set], ...view };
    this.session = new SotwSession({ view: whole, responses: sotwResponses(), limits });
    this.set.onChange((changed) => this.session.touch(changed));
  }

  put(type: XdsType, contents: Readonly<Record<string, string>>): void {
    const upserts = Object.entries(contents).map(([name, content]) =>
      resource({ type, name }, `${name}=${content}`),
    );
    this.set.apply({ upserts, removed: [] });
  }

  drop(type: XdsType, ...names: readonly string[]): void {
    this.set.apply({ upserts: [], removed: names.map((name) => ({ type, name })) });
  }

  ask(type: XdsType, names: readonly string[], rest: Partial<SotwRequest> = {}): readonly Told[] {
    this.session.request(sotwRequestOf(type, { names, ...rest }), this.nowMs);
    return this.drain();
  }

  ack(response: Told, names: readonly string[]): readonly Told[] {
    return this.ask(response.type, names, { nonce: response.nonce, version: response.version });
  }

  nack(response: Told, names: readonly string[], error: string): readonly Told[] {
    return this.ask(response.type, names, { nonce: response.nonce, error });
  }

  drain(): readonly Told[] {
    const all: Told[] = [];
    for (;;) {
      const delivery = this.session.next(this.nowMs);
      if (delivery === undefined) return all;
      all.push(told(delivery));
      assert.ok(all.length < 1000, "the server never falls silent");
    }
  }
}

/** `cluster a=1 b=2` for each response. */
export function said(responses: readonly Told[]): readonly string[] {
  return responses.map(({ type, bodies }) => [type, ...bodies].join(" "));
}

export function one(responses: readonly Told[]): Told {
  assert.equal(responses.length, 1, said(responses).join("; "));
  const [response] = responses;
  assert.ok(response);
  return response;
}
