import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { logFields } from "../../src/telemetry/names.ts";

interface Call {
  readonly file: string;
  readonly fields: readonly string[];
  readonly message: string;
}

const calls = globSync("src/**/*.ts", { exclude: ["src/xds/gen/**"] }).flatMap(callsIn);

test("callsIn() finds the log calls of this project", () => {
  assert.ok(calls.length > 20, `${calls.length} calls`);
});

test("every log field is on the closed list", () => {
  const known = new Set(Object.keys(logFields));
  const unknown = calls.flatMap(({ file, fields }) =>
    fields.filter((field) => !known.has(field)).map((field) => `${file}: ${field}`),
  );
  assert.deepEqual(unknown, []);
});

test("every log message is one constant sentence, capitalised, without a period", () => {
  const wrong = calls.filter(({ message }) => !/^(?:[A-Z]|xDS )[^.`$]*[^.]$/.test(message));
  assert.deepEqual(wrong, []);
});

/** Relies on the formatter: `log.warn({ a, b: 1 }, "Message")`, also over several lines. */
function callsIn(file: string): readonly Call[] {
  const text = readFileSync(file, "utf8");
  const call =
    /\blog\.(?:debug|info|warn|error)\(\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\},\s*"([^"]*)"/g;
  return [...text.matchAll(call)].map(([, fields = "", message = ""]) => ({
    file,
    message,
    fields: withoutNested(fields)
      .split(",")
      .map((field) => field.trim().split(":")[0]?.trim() ?? "")
      .filter((field) => field !== "" && !field.startsWith("...")),
  }));
}

/** Values may hold calls, templates and objects of their own. */
function withoutNested(fields: string): string {
  let text = fields.replaceAll(/`[^`]*`|"[^"]*"/g, '""');
  for (let before = ""; before !== text; ) {
    before = text;
    text = text.replaceAll(/\([^()]*\)|\{[^{}]*\}|\[[^[\]]*\]/g, "");
  }
  return text;
}
