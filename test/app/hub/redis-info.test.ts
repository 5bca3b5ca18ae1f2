import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isOlder,
  numberIn,
  parseInfo,
  productOf,
  replicasIn,
} from "../../../src/app/hub/redis-info.ts";

const text = [
  "# Server",
  "redis_version:7.0.15",
  "executable:/usr/bin/redis-server:x",
  "",
  "# Replication",
  "connected_slaves:2",
  "slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0",
  "slave1:ip=,port=0,state=wait_bgsave,offset=0,lag=0",
].join("\r\n");

test("parseInfo() reads fields of all sections, values with colons too", () => {
  const info = parseInfo(text);
  assert.equal(info.get("redis_version"), "7.0.15");
  assert.equal(info.get("executable"), "/usr/bin/redis-server:x");
  assert.equal(info.has("# Server"), false);
});

test("parseInfo() bounds what a hostile server says", () => {
  const info = parseInfo(`a:${"x".repeat(10_000)}\n`.repeat(1000));
  assert.equal(info.get("a")?.length, 256);
});

test("numberIn() takes decimal numbers only", () => {
  const info = new Map([
    ["a", "12"],
    ["b", "1e9"],
    ["c", "0x10"],
    ["d", "9".repeat(40)],
    ["e", "1.5"],
  ]);
  assert.deepEqual(
    ["a", "b", "c", "d", "e", "f"].map((name) => numberIn(info, name)),
    [12, undefined, undefined, undefined, 1.5, undefined],
  );
});

test("productOf() tells forks from Redis and what they behave like", () => {
  assert.deepEqual(productOf(parseInfo(text)), { name: "Redis", version: "7.0.15", like: [7, 0] });
  const valkey = parseInfo("redis_version:7.2.4\nvalkey_version:8.1.0\n");
  assert.deepEqual(productOf(valkey), { name: "Valkey", version: "8.1.0", like: [7, 2] });
  assert.equal(productOf(parseInfo("redis_version:unknown\n")), undefined);
});

test("isOlder() compares major, then minor", () => {
  assert.ok(isOlder([6, 0], [6, 2]));
  assert.ok(isOlder([6, 9], [7, 0]));
  assert.ok(!isOlder([7, 0], [7, 0]));
  assert.ok(!isOlder([10, 0], [7, 0]));
});

test("replicasIn() leaves out those that nobody could dial", () => {
  assert.deepEqual(replicasIn(parseInfo(text)), [{ host: "10.0.0.2", port: 6379, isOnline: true }]);
});
