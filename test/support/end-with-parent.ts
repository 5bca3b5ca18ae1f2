// Preloaded with `--import`, or imported. `node --test` runs each file in a process of its own, which goes on without
// anybody to report to when the runner is killed, and with it every server that it started.
const lookMs = 1000;
const parent = process.ppid;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
}, lookMs).unref();
