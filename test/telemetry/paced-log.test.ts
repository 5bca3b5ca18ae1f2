import assert from "node:assert/strict";
import { test } from "node:test";
import type { Log } from "../../src/mesh/ports.ts";
import { pacedLog } from "../../src/telemetry/paced-log.ts";

test("pacedLog() leaves out what comes too often, and says how much it was, for each message", () => {
  let nowMs = 0;
  const said: unknown[] = [];
  const say = (fields: object, message: string): void => void said.push([message, fields]);
  const all: Log = { debug: say, info: say, warn: say, error: say };
  const log = pacedLog(all, { burst: 2, perSecond: 1 }, () => nowMs);
  for (let count = 0; count < 5; count += 1) log.info({ count }, "Proxy connected");
  log.info({ count: 0 }, "Proxy gone");
  nowMs = 1000;
  log.info({ count: 5 }, "Proxy connected");
  nowMs = 2000;
  log.info({ count: 6 }, "Proxy connected");
  assert.deepEqual(said, [
    ["Proxy connected", { count: 0 }],
    ["Proxy connected", { count: 1 }],
    ["Proxy gone", { count: 0 }],
    ["Proxy connected", { count: 5, suppressed: 3 }],
    ["Proxy connected", { count: 6 }],
  ]);
});
