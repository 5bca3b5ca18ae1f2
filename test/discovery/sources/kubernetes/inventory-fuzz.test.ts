import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { createClusterInventory } from "../../../../src/discovery/sources/kubernetes/cluster-inventory.ts";
import type { FollowChange } from "../../../../src/discovery/sources/kubernetes/follower.ts";
import type { WatchedKind } from "../../../../src/discovery/sources/kubernetes/kinds.ts";
import { sourceFindingCodes } from "../../../../src/discovery/sources/source-finding.ts";
import type { LocalService } from "../../../../src/mesh/service.ts";
import { fuzzRuns } from "../support/fuzz.ts";
import { assertSound, type Edit, edit, edited } from "../support/nearly-sound.ts";

interface Written {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, "golden/cluster.json"), "utf8"),
) as Readonly<Record<WatchedKind, readonly Written[]>>;
const all = Object.entries(recorded).flatMap(([kind, objects]) =>
  objects.map((sound) => {
    const { name, namespace } = sound.metadata;
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    return { kind: kind as WatchedKind, key, sound };
  }),
);

const step = fc.record({
  at: fc.nat(all.length - 1),
  edits: fc.array(edit, { maxLength: 2 }),
  isRemoved: fc.boolean(),
});

interface Step {
  readonly at: number;
  readonly edits: readonly Edit[];
  readonly isRemoved: boolean;
}

function changeOf({ at, edits, isRemoved }: Step): {
  readonly kind: WatchedKind;
  readonly change: FollowChange;
} {
  const { kind, key, sound } = all[at % all.length] ?? { kind: "Pod", key: "", sound: {} };
  if (isRemoved) return { kind, change: { puts: [], removed: [key] } };
  const object = edits.reduce(edited, sound as unknown);
  // Whoever reads the name from it has seen to it that it is a map.
  const isMap = typeof object === "object" && object !== null && !Array.isArray(object);
  return { kind, change: { puts: isMap ? [{ key, object }] : [], removed: [] } };
}

test("an inventory makes sound services of any objects, and the same as one that heard only the last of each", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const inventory = createClusterInventory();
      const services = new Map<string, LocalService>();
      for (const each of steps) {
        const { kind, change } = changeOf(each);
        inventory.take(kind, change);
        const { upserts, removed } = inventory.takeChange();
        for (const service of upserts) {
          assertSound(service);
          services.set(service.id, service);
        }
        for (const id of removed)
          assert.ok(services.delete(id), `${id} is removed and was never there`);
      }
      for (const { code, message } of inventory.findings()) {
        assert.ok(sourceFindingCodes.includes(code as never));
        assert.ok(message.length < 1_000 && !/\p{Cc}/u.test(message), message);
      }
      // Back to what was recorded, in any order of history: the same services.
      for (const { kind, key, sound } of all) {
        inventory.take(kind, { puts: [{ key, object: sound }], removed: [] });
      }
      const fresh = createClusterInventory();
      for (const { kind, key, sound } of all) {
        fresh.take(kind, { puts: [{ key, object: sound }], removed: [] });
      }
      const { upserts, removed } = inventory.takeChange();
      for (const service of upserts) services.set(service.id, service);
      for (const id of removed) services.delete(id);
      const expected = new Map(fresh.takeChange().upserts.map((service) => [service.id, service]));
      assert.deepEqual(services, expected);
    }),
    { numRuns: fuzzRuns(300) },
  );
});
