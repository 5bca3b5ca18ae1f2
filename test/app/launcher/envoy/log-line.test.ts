import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLogLine } from "../../../../src/app/launcher/envoy/log-line.ts";

test("parseLogLine() reads a line in our format, quotes and all", () => {
  const line =
    '{"level":"warning","part":"config","text":"gRPC config for \\"x\\" rejected\\nwhy"}';
  const expected = { level: "warn", part: "config", text: 'gRPC config for "x" rejected\nwhy' };
  assert.deepEqual(parseLogLine(line), expected);
});

for (const [level, ours] of [
  ["trace", "debug"],
  ["debug", "debug"],
  ["info", "info"],
  ["error", "error"],
  ["critical", "error"],
] as const) {
  test(`parseLogLine() makes ${level} ${ours}`, () => {
    const line = `{"level":"${level}","part":"main","text":"x"}`;
    assert.equal(parseLogLine(line).level, ours);
  });
}

for (const line of ["Segmentation fault", "", "null", '{"level":1}']) {
  test(`parseLogLine() passes ${JSON.stringify(line)} on as it stands`, () => {
    assert.deepEqual(parseLogLine(line), { level: "error", part: "", text: line });
  });
}

test("parseLogLine() takes a level that nobody has for a warning", () => {
  const line = '{"level":"constructor","part":"main","text":"x"}';
  assert.equal(parseLogLine(line).level, "warn");
});
