import { realClock } from "../../../../../src/app/real-time.ts";
import type { RedisDeps } from "../../../../../src/discovery/io/catalog/redis/redis-hub.ts";
import type { Timers } from "../../../../../src/discovery/timers.ts";
import { type MeshDomain, parseMeshDomain } from "../../../../../src/mesh/ids.ts";

/** Unlike the agent's, these keep the process alive: a test may have nothing else to wait for. */
const timers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
const nothing = (): void => undefined;

export const testMesh: MeshDomain = parseMeshDomain("acme.test");

export function storeDeps(mesh: MeshDomain = testMesh): RedisDeps {
  return {
    mesh,
    clock: realClock,
    timers,
    random: Math.random,
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  };
}
