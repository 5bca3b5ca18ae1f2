import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { suite, test } from "node:test";
import { pathToFileURL } from "node:url";

const href = (path: string): string => JSON.stringify(pathToFileURL(path).href);

// What an agent's end is like while every hub is away: a wait, and nothing else that Node knows of.
const program = `
  const { runService } = await import(${href("src/app/lifecycle.ts")});
  const { realTimers } = await import(${href("src/app/real-time.ts")});
  const log = { info: (fields, text) => process.stdout.write(text + "\\n"), error: () => {} };
  const stop = () => new Promise((resolve) => { realTimers.after(300, resolve); });
  process.exitCode = await runService(async () => {
    process.stdout.write("Runs\\n");
    return { stop };
  }, { log });
`;

suite("the life of a service", () => {
  test("a good end that has only to wait is not cut short", async () => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    let said = "";
    for await (const chunk of child.stdout.setEncoding("utf8")) {
      said += String(chunk);
      if (said === "Runs\n") child.kill("SIGTERM");
    }
    assert.deepEqual(await exited, [0, null]);
    assert.equal(said, "Runs\nEnds in good order\nEnded\n");
  });
});
