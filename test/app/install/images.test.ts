import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { version } from "../../../src/app/version.ts";

interface Named {
  readonly file: string;
  readonly tag: string;
}

/** Images of this project, by whatever registry. */
function imagesIn(pattern: string): readonly Named[] {
  return globSync(pattern).flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/\bisthmus(?:-sidecar)?:(v?\d[\w.-]*)/g)].map(
      ([, tag = ""]) => ({ file, tag }),
    ),
  );
}

for (const [pattern, least] of [
  ["deploy/**/*.yaml", 6],
  ["docs/*.md", 2],
  ["README.md", 2],
] as const) {
  test(`${pattern}: images are named by the version of package.json`, () => {
    const images = imagesIn(pattern);
    assert.ok(images.length >= least, `only ${images.length} images are named`);
    assert.deepEqual(
      images.filter(({ tag }) => tag !== version),
      [],
    );
  });
}
