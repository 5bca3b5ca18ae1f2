/** Runs every claim one after the other, or only those named: `npm run bench -- csr gateway`. */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename } from "node:path";

const notClaims = new Set(["run", "report"]);
const claims = globSync("bench/*.ts")
  .map((path) => basename(path, ".ts"))
  .filter((name) => !notClaims.has(name))
  .toSorted();
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !claims.includes(name));

if (unknown.length > 0) {
  process.stderr.write(
    `Cannot run benchmark "${unknown.join(", ")}": there are ${claims.join(", ")}\n`,
  );
  process.exitCode = 2;
} else {
  for (const name of wanted.length > 0 ? wanted : claims) {
    process.stderr.write(`\n── ${name}\n`);
    // One process each: a claim about memory or CPU must not inherit what an earlier one left behind.
    const { status } = spawnSync(process.execPath, [`bench/${name}.ts`], { stdio: "inherit" });
    if (status !== 0) process.exitCode = 1;
  }
}
