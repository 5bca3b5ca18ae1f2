import assert from "node:assert/strict";
import { test } from "node:test";
import { remembered } from "../../../src/proxy/resources/remembered.ts";

test("remembered() builds again only for another key than the last", () => {
  const part = remembered((key: number) => ({ key }));
  assert.equal(part(1), part(1));
  assert.deepEqual([part(2).key, part(1).key], [2, 1]);
});
