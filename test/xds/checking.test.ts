import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { renewWithinMs } from "../../src/proxy/io/identity/check-service.ts";
import { decodeCheckResponse, encodeCheckResponse } from "../../src/xds/checking.ts";

suite("CheckResponse", () => {
  for (const answer of [
    { mustRenew: false, withinMs: 0 },
    { mustRenew: true, withinMs: 0 },
    { mustRenew: true, withinMs: 900_000 },
  ]) {
    test(`is read as it was written: ${JSON.stringify(answer)}`, () => {
      assert.deepEqual(decodeCheckResponse(encodeCheckResponse(answer)), answer);
    });
  }

  test("of an agent that says no time is read as: at once", () => {
    assert.deepEqual(decodeCheckResponse(Uint8Array.of(0x08, 1)), { mustRenew: true, withinMs: 0 });
  });
});

suite("renewWithinMs()", () => {
  test("lets no more than ten a second renew, however many there are", () => {
    for (const proxies of [1, 31, 1000, 9000]) {
      assert.equal(proxies / (renewWithinMs(proxies) / 1000), 10);
    }
  });

  test("asks nobody to wait for longer than a quarter of an hour", () => {
    assert.equal(renewWithinMs(1_000_000), 900_000);
  });
});
