import { readFile, writeFile } from "node:fs/promises";

const file = "/proc/sys/fs/inotify/max_user_instances";
// Every Envoy has some, and a mesh twenty Envoys; without one Envoy aborts as it starts. Linux's default
// is 128 for all processes of a user.
const enough = 1024;

/** Stays so: another mesh on this machine may need it for longer than this one lives. */
export async function allowManyWatchers(): Promise<void> {
  if (Number(await readFile(file, "utf8")) < enough) await writeFile(file, String(enough));
}
