// Makes a checkout runnable: packages as locked, then the xDS types. Runs before start, test and build, on
// whatever Node >= 20 the machine has and before any package exists: plain JavaScript, no dependencies.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const oldestNode = 20;

if (Number(process.versions.node.split(".")[0]) < oldestNode) {
  stop(
    `Cannot set up isthmus with Node ${process.versions.node}: install Node ${oldestNode} or newer`,
  );
}
installPackages();
generateTypes();

function installPackages() {
  const wanted = join(root, "package-lock.json");
  const stampFile = join(root, "node_modules/.isthmus-setup");
  const stamp = createHash("sha256").update(readFileSync(wanted)).digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  // Packages that npm itself installed last, by hand, are as good.
  const installed = join(root, "node_modules/.package-lock.json");
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
    // npm would empty what the link leads to, under whoever else uses it.
    if (lstatSync(join(root, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink()) {
      stop("Cannot install packages: node_modules is a link; run npm start where it leads to");
    }
    // Errors only: some packages warn that they want a newer Node, and isthmus brings its own.
    step("Installing packages (about 600 MB with Node 24, once)", npm(), [
      "ci",
      "--loglevel=error",
    ]);
  }
  writeFileSync(stampFile, stamp);
}

function generateTypes() {
  const stampFile = join(root, "src/xds/gen/.stamp");
  const stamp = inputHash();
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  step("Generating xDS types", process.execPath, [join(root, "scripts/gen.mjs")]);
  writeFileSync(stampFile, stamp);
}

/** One hash over all that decides the generated code; the lock file stands for the packages. */
function inputHash() {
  const hash = createHash("sha256");
  const inputs = [
    join(root, "package-lock.json"),
    join(root, "scripts/gen.mjs"),
    join(root, "scripts/gen-constraints.mjs"),
    ...filesIn(join(root, "proto")),
  ];
  for (const path of inputs)
    hash.update(relative(root, path)).update("\0").update(readFileSync(path)).update("\0");
  return hash.digest("hex");
}

function filesIn(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesIn(join(dir, entry.name)) : [join(dir, entry.name)],
    );
}

/** npm runs this script, so it says itself where it is; else the one on the PATH. */
function npm() {
  return process.env.npm_execpath?.endsWith(".js") ? process.env.npm_execpath : "npm";
}

function step(title, command, args) {
  const startedMs = Date.now();
  process.stderr.write(`${title} … `);
  const [file, allArgs] = command.endsWith(".js")
    ? [process.execPath, [command, ...args]]
    : [command, args];
  const result = spawnSync(file, allArgs, { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
  if (result.error || result.status !== 0) {
    process.stderr.write("failed\n");
    stop(`${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`.trim());
  }
  process.stderr.write(`${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
