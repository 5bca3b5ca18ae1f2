import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Report, Task } from "./schedule-worker.ts";

const schedules = Number(process.env["ISTHMUS_SIMULATIONS"] ?? 2000);
const firstSeed = Number(process.env["ISTHMUS_SEED"] ?? 1);

// One per core of the smallest machine that runs this.
const workers = 2;

test(`in ${schedules} schedules of hubs that lose, delay, reorder, forget and lie nothing is invented or lost, and all converge`, async () => {
  const each = Math.ceil(schedules / workers);
  const tasks = Array.from({ length: schedules > 1 ? workers : 1 }, (_, index) => ({
    firstSeed: firstSeed + index * each,
    schedules: each,
  }));
  for (const report of await Promise.all(tasks.map(runTask))) {
    if (report.t === "done") continue;
    const again = `ISTHMUS_SEED=${report.seed} ISTHMUS_SIMULATIONS=1`;
    assert.fail(`repeat it with ${again}: ${report.reason}`);
  }
});

async function runTask(workerData: Task): Promise<Report> {
  const worker = new Worker(new URL("./schedule-worker.ts", import.meta.url), { workerData });
  const [report] = (await once(worker, "message")) as [Report];
  return report;
}
