import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { localServiceOf } from "../../../../src/discovery/sources/inventory/local-service.ts";
import type { Problem } from "../../../../src/discovery/sources/objects/fields.ts";
import type { KubeObject } from "../../../../src/discovery/sources/objects/kube-objects.ts";
import { readObject } from "../../../../src/discovery/sources/objects/read-object.ts";
import { fuzzRuns } from "../support/fuzz.ts";
import type { Edit } from "../support/nearly-sound.ts";
import { assertSound, edit, edited, exported, service, slice } from "../support/nearly-sound.ts";

const edits = fc.array(edit, { maxLength: 2 });

/** The object that a value with these edits is read as; a refusal always says why. */
function read(sound: unknown, changes: readonly Edit[]): KubeObject | undefined {
  const problems: Problem[] = [];
  const reading = readObject({ path: [], value: changes.reduce(edited, sound) }, problems);
  if (reading.t === "invalid") assert.notEqual(problems.length, 0);
  return reading.t === "object" ? reading.object : undefined;
}

test("readObject() makes sound services of any values or says what is wrong", () => {
  let services = 0;
  fc.assert(
    fc.property(edits, edits, edits, (...changes) => {
      const [first, second] = [service, slice].map((sound, index) =>
        read(sound, changes[index] ?? []),
      );
      const offer = read(exported, changes[2]);
      if (first?.t !== "service") return;
      const local = localServiceOf({
        service: first,
        slices: second?.t === "slice" ? [second] : [],
        ...(offer?.t === "export" ? { exported: { createdAtMs: offer.createdAtMs ?? 0 } } : {}),
      });
      if (local === undefined) return;
      services += 1;
      assertSound(local);
    }),
    { numRuns: fuzzRuns(2000) },
  );
  assert.ok(services > 0, "no generated value was sound, so nothing was checked");
});
