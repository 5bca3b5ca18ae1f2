import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { delimiter, dirname, join } from "node:path";

const limitMs = 110_000;

/** Runs what a page tells people to type, with `bin/` and `home/` of the folder: in a network and among processes of its own where that is allowed: its ports are fixed ones. */
export async function type(
  script: string,
  dir: string,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const apart = ["--net", "--pid", "--fork", "--kill-child"];
  const program = "unshare";
  const ways = [apart, ["--user", "--map-root-user", ...apart]];
  const way = ways.find((flags) => spawnSync(program, [...flags, "true"]).status === 0);
  const argv = ["bash", "-c", `${way === undefined ? "" : "ip link set lo up\n"}set -e\n${script}`];
  const [command = "", ...rest] = way === undefined ? argv : [program, ...way, ...argv];
  const child = spawn(command, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: {
      ...process.env,
      HOME: join(dir, "home"),
      PATH: [join(dir, "bin"), dirname(process.execPath), process.env["PATH"]].join(delimiter),
      NO_COLOR: "1",
    },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => void (out += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => void (err += chunk.toString("utf8")));
  const endAll = (): void => {
    // The group that `detached` began: all that the script left in the background.
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const timer = setTimeout(endAll, limitMs);
  const [code] = (await once(child, "exit")) as [number | null];
  clearTimeout(timer);
  try {
    endAll();
  } catch {
    // Nobody of it is left.
  }
  return { code, out, err };
}
