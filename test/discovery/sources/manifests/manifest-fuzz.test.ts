import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { sourceFindingCodes } from "../../../../src/discovery/sources/source-finding.ts";
import { fuzzRuns } from "../support/fuzz.ts";
import { readFolder } from "../support/manifests.ts";
import { assertSound, exported, object, service, slice } from "../support/nearly-sound.ts";

const file = fc
  .array(object, { maxLength: 4 })
  .map((objects) => objects.map((each) => print(each)).join("---\n"));

function assertBounded(files: Readonly<Record<string, string>>): number {
  const { services, findings } = readFolder(files);
  for (const each of services) assertSound(each);
  for (const { code, subject, message } of findings) {
    assert.ok(sourceFindingCodes.includes(code));
    assert.match(subject, /^[ab]\.yaml:[1-9]\d*$/);
    assert.ok(message.length < 1_000 && !/\p{Cc}/u.test(message), message);
  }
  return services.length;
}

test("readManifest() makes sound services and readable findings of any objects", () => {
  let services = 0;
  fc.assert(
    fc.property(file, file, (a, b) => {
      services += assertBounded({ "a.yaml": a, "b.yaml": b });
    }),
    { numRuns: fuzzRuns(100) },
  );
  assert.ok(services > 0, "no generated object was sound, so nothing was checked");
});

test("readManifest() makes sound services and readable findings of any text", () => {
  const sound = [service, slice, exported].map(print).join("---\n");
  const cut = fc.tuple(
    fc.nat(sound.length),
    fc.nat(4),
    fc.string({ maxLength: 4, unit: "binary" }),
  );
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 4 }), (cuts) => {
      let text = sound;
      for (const [at, count, inserted] of cuts) {
        text = text.slice(0, at) + inserted + text.slice(at + count);
      }
      assertBounded({ "a.yaml": text });
    }),
    { numRuns: fuzzRuns(100) },
  );
});

function print(value: unknown): string {
  try {
    return stringify(value, { aliasDuplicateObjects: false });
  } catch {
    // Symbols, functions and the like have no YAML.
    return "x: 1\n";
  }
}
