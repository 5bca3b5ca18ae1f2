// Runs the benchmarks: `npm run bench [-- NAME…]`. Peers that cannot be provided are named, and bench/ leaves out
// what compares with them.
import { spawnSync } from "node:child_process";
import { node24 } from "./node24.mjs";
import { provide } from "./provide.mjs";

const { env, problems } = provide("bench");
for (const problem of problems) console.error(problem);

const result = spawnSync(node24(), ["bench/run.ts", ...process.argv.slice(2)], {
  env: { ...process.env, ...env },
  stdio: "inherit",
});
process.exitCode = result.status ?? 1;
