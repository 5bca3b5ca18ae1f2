// Strikes the catalog with every fault there is and prints what came of it: `npm run faults:catalog [-- --json]
// [-- --only NAME,…]`.
import { spawnSync } from "node:child_process";
import { node24 } from "./node24.mjs";
import { provide } from "./provide.mjs";

const { env, problems } = provide("test");
for (const problem of problems) console.error(problem);

const result = spawnSync(node24(), ["test/faults/table.ts", ...process.argv.slice(2)], {
  env: { ...process.env, ...env },
  stdio: "inherit",
});
process.exitCode = result.status ?? 1;
