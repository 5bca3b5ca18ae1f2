import assert from "node:assert/strict";
import { test } from "node:test";
import { joined } from "../../src/xds/joined.ts";

test("joined() holds no more memory than its bytes, however few they are", () => {
  const whole = joined([Buffer.from("one "), new Uint8Array([116, 119, 111])]);
  assert.equal(String(whole), "one two");
  assert.equal(whole.buffer.byteLength, whole.length);
});
