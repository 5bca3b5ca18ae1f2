// Strikes what there is with every fault and prints what came of it: `npm run faults` a mesh of processes under load,
// `npm run faults:catalog` the catalog, `npm run soak` a mesh with faults at random.
import { spawnSync } from "node:child_process";
import { node24 } from "./node24.mjs";
import { provide } from "./provide.mjs";

const programs = {
  catalog: "test/faults/table.ts",
  mesh: "test/faults/mesh/table.ts",
  soak: "test/faults/mesh/soak/soak.ts",
};
const [, , which, ...args] = process.argv;
const { env, problems } = provide("test");
for (const problem of problems) console.error(problem);

const result = spawnSync(node24(), [programs[which] ?? programs.mesh, ...args], {
  env: { ...process.env, ...env },
  stdio: "inherit",
});
process.exitCode = result.status ?? 1;
