import type { Clock, Log } from "../../src/mesh/ports.ts";

export const realClock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

const nothing = (): void => undefined;
export const quietLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
