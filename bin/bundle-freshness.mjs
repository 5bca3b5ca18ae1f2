// Whether the bundle still says what the sources say. It starts several times faster, so it runs where it may.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** True when there is a bundle and no source file, example or lock file is newer. */
export function isBundleFresh(root) {
  const bundle = join(root, "dist/isthmus.mjs");
  if (!existsSync(bundle)) return false;
  const builtMs = statSync(bundle).mtimeMs;
  const inputs = ["src", "examples", "package-lock.json"].map((name) => join(root, name));
  return inputs.every((input) => !existsSync(input) || newestMs(input) <= builtMs);
}

function newestMs(path) {
  const own = statSync(path);
  if (!own.isDirectory()) return own.mtimeMs;
  // A folder's own time counts too: it changes when a file is taken away.
  return readdirSync(path).reduce(
    (newest, name) => Math.max(newest, newestMs(join(path, name))),
    own.mtimeMs,
  );
}
