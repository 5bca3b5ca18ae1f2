// Programs that come as Python wheels, because that needs no root and no other registry.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Installs what a pip requirements file pins by its hashes into a folder of its own.
 *
 * @param {{ what: string, pinFile: string, target: string, program: readonly [path: string, ...args: string[]] }} wheel
 *   `program` is relative to the target and must run there
 * @throws {Error} that says what failed
 */
export function installWheel({ what, pinFile, target, program: [path, ...args] }) {
  mkdirSync(dirname(target), { recursive: true });
  // Beside its place and moved at the end: an interrupted download must not look like the program.
  const staging = mkdtempSync(join(dirname(target), `.${basename(target)}-`));
  try {
    pip(what, [
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
    const ran = spawnSync(join(staging, path), args, { encoding: "utf8" });
    if (ran.status !== 0) {
      throw new Error(`Cannot run the downloaded ${what}: ${ran.error?.message ?? ran.stderr}`);
    }
    rmSync(target, { recursive: true, force: true });
    renameSync(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function pip(what, args) {
  const flags = ["--disable-pip-version-check", "--no-input", "--quiet"];
  const result = spawnSync("python3", ["-m", "pip", ...args, ...flags], { encoding: "utf8" });
  if (result.status === 0) return;
  const reason = result.error?.message ?? result.stderr.trim();
  throw new Error(`Cannot download ${what} with python3 -m pip: ${reason}`);
}
