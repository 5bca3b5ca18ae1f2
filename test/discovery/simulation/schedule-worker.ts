import { parentPort, workerData } from "node:worker_threads";
import { runSchedule } from "./schedule.ts";

/** Runs schedules away from the test runner, whose promise hooks would cost more than the schedules. */
export interface Task {
  readonly firstSeed: number;
  readonly schedules: number;
}

export type Report =
  | { readonly t: "done" }
  | { readonly t: "failed"; readonly seed: number; readonly reason: string };

async function runAll(task: Task): Promise<Report> {
  for (let seed = task.firstSeed; seed < task.firstSeed + task.schedules; seed += 1) {
    try {
      await runSchedule(seed);
    } catch (thrown) {
      const reason = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      return { t: "failed", seed, reason };
    }
  }
  return { t: "done" };
}

parentPort?.postMessage(await runAll(workerData as Task));
