import { spawn } from "node:child_process";
import { reasonOf } from "../../../mesh/errors.ts";
import { visible } from "../../../mesh/visible.ts";
import type { ProbeOutcome } from "./health-judge.ts";

// Of what it prints, for the reason; the rest is read, so that it does not block, and forgotten.
const keptChars = 200;
// Until what it wrote last is read.
const lastWordsMs = 100;
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Runs a program without a shell, without input and with none of this process's environment (it may hold what
 * is not for others). When time is up it is killed with all that it started. Never rejects.
 */
export async function probeExec(
  [program = "", ...words]: readonly string[],
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const named = visible(program);
  let last = "";
  const keep = (chunk: Buffer): void => {
    last = (last + chunk.toString("utf8")).slice(-keptChars);
  };
  try {
    const end = await ended({ program, words, keep, signal });
    if (end.code === 0) return { t: "passed" };
    const how =
      end.code === null ? `was ended by ${end.signal ?? "a signal"}` : `ends with ${end.code}`;
    const said = visible(last.trim().split("\n").at(-1) ?? "");
    return { t: "failed", reason: `${named} ${how}${said === "" ? "" : `: ${said}`}` };
  } catch (thrown) {
    return { t: "failed", reason: `${named} does not run: ${reasonOf(thrown)}` };
  }
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function ended(options: {
  readonly program: string;
  readonly words: readonly string[];
  readonly keep: (chunk: Buffer) => void;
  readonly signal: AbortSignal;
}): Promise<End> {
  const { program, words, keep, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      cwd: "/",
      env: { PATH: path, LANG: "C.UTF-8" },
      // A group of its own: what it starts in turn ends with it.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const hangUp = (): void => {
      killGroup(child.pid);
      // Whoever left the group may hold the pipes open for ever.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const giveUp = (): void => {
      hangUp();
      reject(new Error("no answer in time"));
    };
    signal.addEventListener("abort", giveUp, { once: true });
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", reject);
    // What it left behind in its group would be one process more at each probe.
    child.on("exit", () => {
      killGroup(child.pid);
      setTimeout(hangUp, lastWordsMs).unref();
    });
    child.on("close", (code, by) => {
      signal.removeEventListener("abort", giveUp);
      resolve({ code, signal: by });
    });
    if (signal.aborted) giveUp();
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in it.
  }
}
