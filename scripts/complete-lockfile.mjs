// Run once after adding a package that ships one native build per platform.
//
// A registry that mirrors only some of those builds makes `npm install` leave the others out of the lock
// file; `npm ci` then refuses the whole file, on every machine. The missing entries are platforms
// this machine never installs, so name, version and platform are all npm needs to step over them.
import { readFileSync, writeFileSync } from "node:fs";

const lockFile = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(lockFile, "utf8"));

const systems = /android|darwin|win32|freebsd|openbsd|netbsd|openharmony|sunos|aix|linux/;
const processors =
  /arm64|x64|ia32|riscv64|ppc64|s390x|loong64|mips64el|wasm32|aarch64|x86_64|armv7|arm/;
const nodeNames = { aarch64: "arm64", x86_64: "x64", armv7: "arm" };

/** "@biomejs/cli-linux-x64-musl" already says os, cpu and libc. */
function platformOf(name) {
  const cpu = processors.exec(name)?.[0] ?? "none";
  const libc = /musl|gnu|glibc/.exec(name)?.[0];
  return {
    cpu: [nodeNames[cpu] ?? cpu],
    ...(libc === undefined ? {} : { libc: [libc === "musl" ? "musl" : "glibc"] }),
    os: [systems.exec(name)?.[0] ?? "none"],
  };
}

/** Where npm looks for `name` when the package at `from` asks for it: its own folder, then each one above. */
function isLocked(from, name) {
  for (let folder = from; ; folder = folder.slice(0, folder.lastIndexOf("/node_modules/"))) {
    if (lock.packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`]) return true;
    if (!folder.includes("/node_modules/")) break;
  }
  return lock.packages[`node_modules/${name}`] !== undefined;
}

const added = [];
for (const [from, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(from, name)) continue;
    lock.packages[`node_modules/${name}`] = {
      version: range.replace(/^[^0-9]*/, ""),
      ...platformOf(name),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
    };
    added.push(name);
  }
}

lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")),
);
writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? "The lock file is complete" : `Added ${added.join(", ")}`);
