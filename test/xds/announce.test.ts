import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  decodeAnnounceRequest,
  decodeAnnounceResponse,
  encodeAnnounceRequest,
  encodeAnnounceResponse,
} from "../../src/xds/announce.ts";

const request = {
  address: "[2001:db8::1]:15443",
  instance: "gateway/isthmus/host-1/ab12",
  isDraining: true,
  waitMs: 10_000,
};

suite("announcements", () => {
  test("come back as they were written", () => {
    const serving = { ...request, isDraining: false, waitMs: 0 };
    for (const value of [request, serving]) {
      assert.deepEqual(decodeAnnounceRequest(encodeAnnounceRequest(value)), { t: "ok", value });
    }
    const response = { isKnown: true, isPublished: true, missing: ["west", "north"] };
    assert.deepEqual(decodeAnnounceResponse(encodeAnnounceResponse(response)), response);
  });

  const refused: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", new Uint8Array()],
    ["one without an address", encodeAnnounceRequest({ ...request, address: "" })],
    ["one without an instance", encodeAnnounceRequest({ ...request, instance: "" })],
    ["a name without end", encodeAnnounceRequest({ ...request, instance: "i".repeat(513) })],
    ["a text that is no UTF-8", new Uint8Array([10, 2, 0xff, 0xfe, 18, 1, 97])],
    ["half a message", encodeAnnounceRequest(request).subarray(0, 9)],
  ];
  for (const [what, bytes] of refused) {
    test(`refuse ${what}`, () => assert.equal(decodeAnnounceRequest(bytes).t, "refused"));
  }

  test("never throw, whatever was sent", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeAnnounceRequest(bytes);
      }),
    );
  });
});
