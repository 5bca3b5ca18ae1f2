import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const pattern = /^isthmus-t-(\d+)-(\d+)-\d+-[a-z]+$/;
let opened = 0;

/** A name for namespaces of this run that tells whether the process that made them still lives. */
export async function namespacePrefix(): Promise<string> {
  opened += 1;
  const number = opened;
  return `isthmus-t-${process.pid}-${await startOf(process.pid)}-${number}`;
}

/** Removes namespaces of tests that were killed together with their guardian, and what runs in them. */
export async function sweepStale(): Promise<void> {
  const names = await readdir("/run/netns").catch(() => []);
  for (const name of names) {
    const [, pid, start] = pattern.exec(name) ?? [];
    if (pid === undefined || (await startOf(Number(pid))) === start) continue;
    const { stdout } = await run("ip", ["netns", "pids", name]).catch(() => ({ stdout: "" }));
    for (const inside of stdout.split("\n").filter(Boolean)) end(Number(inside));
    // Another test may have been quicker.
    await run("ip", ["netns", "del", name]).catch(() => undefined);
  }
}

/** When a process began, in ticks since the machine did: pids come again, this pair does not. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The second field is a name in brackets that may hold spaces.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
