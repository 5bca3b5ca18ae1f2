import assert from "node:assert/strict";
import { test } from "node:test";
import { DeltaSession } from "../../src/xds/delta.ts";
import { typeUrls } from "../../src/xds/resource.ts";
import { Responses } from "../../src/xds/responses.ts";
import type { RequestOutcome } from "../../src/xds/session.ts";
import { SotwSession, sotwResponses } from "../../src/xds/sotw.ts";
import { StrangeNames } from "../../src/xds/strange-names.ts";

const view = { sets: [] };
const typeUrl = typeUrls.endpoint;

function names(count: number, from = 0): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${from + index}`.padEnd(1000, "x"));
}

function ask(
  session: DeltaSession,
  change: { readonly subscribe?: readonly string[]; readonly unsubscribe?: readonly string[] },
): RequestOutcome["t"] {
  const { subscribe = [], unsubscribe = [] } = change;
  const initialVersions = new Map<string, string>();
  return session.request({ typeUrl, nonce: "", subscribe, unsubscribe, initialVersions }, 0).t;
}

test("a stream that asks for megabytes of names that nobody has is ended", () => {
  const session = new DeltaSession({ view, responses: new Responses() });
  assert.equal(ask(session, { subscribe: names(10_000) }), "ok");
  assert.equal(ask(session, { subscribe: names(10_000, 10_000) }), "refused");
});

test("names that are given up, or end with their stream, make room for others", () => {
  const strange = new StrangeNames(100_000);
  const open = (): DeltaSession => new DeltaSession({ view, responses: new Responses(), strange });
  const [first, second] = [open(), open()];
  assert.equal(ask(first, { subscribe: names(75) }), "ok");
  assert.equal(ask(first, { unsubscribe: names(75) }), "ok");
  assert.equal(ask(second, { subscribe: names(75) }), "ok");
  assert.equal(ask(first, { subscribe: names(75) }), "refused");
  first.close();
  second.close();
  assert.equal(ask(open(), { subscribe: names(75) }), "ok");
});

test("of many streams those end that ask for much that nobody has, in the other dialect too", () => {
  const strange = new StrangeNames(200_000);
  const open = (): SotwSession => new SotwSession({ view, responses: sotwResponses(), strange });
  const asks = (asked: readonly string[]): RequestOutcome["t"] =>
    open().request({ typeUrl, nonce: "", version: "", names: asked }, 0).t;
  const outcomes = Array.from({ length: 5 }, () => asks(names(60)));
  assert.deepEqual(outcomes, ["ok", "ok", "refused", "refused", "refused"]);
  assert.equal(asks(names(10)), "ok");
});
