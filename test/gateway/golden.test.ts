import { join } from "node:path";
import { suite, test } from "node:test";
import type { View } from "../../src/xds/view.ts";
import type { GoldenCase } from "./golden-state.ts";
import { goldenCases, nodesOf, resourcesOf } from "./golden-state.ts";
import { readable } from "./readable.ts";
import { toldIn } from "./told.ts";

/** State in, resources out. After a deliberate change: `--test-update-snapshots`, and read the diff. */
suite("golden cases", () => {
  for (const golden of goldenCases()) {
    test(`${golden.name}: ${golden.rule}`, (t) => {
      const resources = resourcesOf(golden, "(the bundle)");
      const told = nodesOf(golden).map((node) => ({
        node: node.id,
        ...shown(golden, resources.open(node).view),
      }));
      const file = join(import.meta.dirname, "../golden/expected", `${golden.name}.json`);
      t.assert.fileSnapshot({ rule: golden.rule, told }, file);
    });
  }
});

function shown(golden: GoldenCase, view: View): object {
  return Object.fromEntries(golden.shows.map((type) => [type, toldIn(view, [type]).map(readable)]));
}
