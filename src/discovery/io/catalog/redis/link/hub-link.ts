import { backoffCeilingMs, inUpperHalf } from "../../../../../mesh/backoff.ts";
import { pause } from "../../waiting.ts";
import type { RedisDeps } from "../redis-hub.ts";
import type { HubConnection } from "./connection.ts";
import type { ServerFinder } from "./find-server.ts";
import type { HubAccessSource } from "./hub-access.ts";
import { brokenBy, HubFailure } from "./hub-failure.ts";

/** One connection to a hub's server, found and opened again whenever it is lost. */
export interface HubLink extends AsyncDisposable {
  /**
   * Runs on the connection; waits for one only while an attempt to get it is under way. Calls run in
   * their order. Rejects with a HubFailure, or with the signal's reason.
   */
  readonly use: <Result>(
    run: (connection: HubConnection) => Promise<Result>,
    signal: AbortSignal,
  ) => Promise<Result>;
  /** The files say something else: opens another connection beside the present one and changes over. */
  readonly renew: () => void;
  readonly current: () => HubConnection | undefined;
  /** Why the present connection could not be replaced after the files changed; it is the last one. */
  readonly refusal: () => string | undefined;
}

export interface LinkOptions extends Pick<RedisDeps, "clock" | "timers" | "random" | "log"> {
  readonly hub: string;
  readonly finder: ServerFinder;
  readonly access: Pick<HubAccessSource, "current">;
  readonly isTls: boolean;
  /** As in `DialOptions`. */
  readonly maxReplyBytes?: number;
  /** The connection was made or lost. */
  readonly onChange: () => void;
  readonly onFailure: (failure: HubFailure) => void;
  /** Another connection was wanted beside the present one, which stays. */
  readonly onRefusal: (failure: HubFailure) => void;
}

// A hub that comes back is seen at once; all agents try again at moments of their own.
// What only an operator can mend is asked for less often.
const backoff = { firstMs: 50, maxMs: 500, refusedMs: 1500 } as const;
/** See `openSoon`. */
const nextAttemptMs = 1000;
const maxAttempts = 3;
/** For what is under way on a connection that is to be replaced. */
const drainMs = 1500;
const drainStepMs = 5;
const renewRetryMs = 30_000;

interface Waiter {
  readonly run: (connection: HubConnection) => void;
  readonly fail: (failure: HubFailure) => void;
}

export function createHubLink(options: LinkOptions): HubLink {
  const { timers, finder } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const waiters = new Set<Waiter>();
  let current: HubConnection | undefined;
  let isRenewAsked = false;
  let refusal: string | undefined;
  let cancelRenewal = (): void => {};
  /** Ends a rest, or the wait for a connection's end. */
  let wake = new AbortController();

  const open = async (): Promise<HubConnection> => {
    const access = await options.access.current();
    const connection = await finder.connect({ ...options, access, signal });
    if (signal.aborted) connection.close(closed);
    return connection;
  };
  const takeWaiters = (): readonly Waiter[] => {
    const taken = [...waiters];
    waiters.clear();
    return taken;
  };
  const enter = (connection: HubConnection): void => {
    current = connection;
    refusal = undefined;
    options.onChange();
    for (const waiter of takeWaiters()) waiter.run(connection);
  };
  const lose = (failure: HubFailure, connection: HubConnection): void => {
    current = undefined;
    if (signal.aborted) return;
    if (failure.movedTo !== undefined) finder.hint(failure.movedTo, connection.address);
    options.onFailure(failure);
    options.onChange();
  };

  /**
   * Attempts overlap: a server that hangs holds one up for seconds, while its successor may have been
   * named meanwhile. Throws the last failure when all have failed.
   */
  const openSoon = (): Promise<HubConnection> => {
    const { promise, resolve, reject } = Promise.withResolvers<HubConnection>();
    let started = 0;
    let running = 0;
    let isDone = false;
    let cancel = (): void => {};
    const finish = (): void => {
      isDone = true;
      cancel();
    };
    const succeed = (connection: HubConnection): void => {
      if (isDone) return connection.close(new HubFailure("other", "another one was faster"));
      finish();
      resolve(connection);
    };
    const fail = (thrown: unknown): void => {
      running -= 1;
      const failure = brokenBy(thrown);
      if (!isDone && !signal.aborted) {
        options.onFailure(failure);
        for (const waiter of takeWaiters()) waiter.fail(failure);
      }
      if (isDone || running > 0) return;
      finish();
      reject(failure);
    };
    const start = (): void => {
      started += 1;
      running += 1;
      if (started < maxAttempts) cancel = timers.after(nextAttemptMs, start);
      open().then(succeed, fail);
    };
    start();
    return promise;
  };
  const openOrRest = async (failures: number): Promise<HubConnection | undefined> => {
    try {
      return await openSoon();
    } catch (thrown) {
      if (!signal.aborted) await rest(brokenBy(thrown), failures);
      return undefined;
    }
  };
  const rest = async (failure: HubFailure, failures: number): Promise<void> => {
    const ceilingMs = isForOperator(failure)
      ? backoff.refusedMs
      : backoffCeilingMs(backoff, failures);
    wake = new AbortController();
    await pause(inUpperHalf(ceilingMs, options.random), { timers, signal: wake.signal });
  };
  /** Undefined: a renewal was asked for. */
  const endOf = async (connection: HubConnection): Promise<HubFailure | undefined> => {
    if (isRenewAsked) return undefined;
    wake = new AbortController();
    const woken = new Promise<undefined>((resolve) => {
      wake.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    return Promise.race([connection.closed, woken]);
  };
  /** Both are up for a moment; the old one ends when its last reply is in. */
  const replaced = async (old: HubConnection): Promise<HubConnection> => {
    isRenewAsked = false;
    let next: HubConnection;
    try {
      next = await open();
    } catch (thrown) {
      if (signal.aborted) return old;
      const failure = brokenBy(thrown);
      // A server that is only away for a moment refuses nothing.
      refusal = isForOperator(failure) ? failure.message : undefined;
      options.onRefusal(failure);
      options.log.warn(
        { hub: options.hub, reason: failure.message },
        "Hub refuses the new credentials",
      );
      cancelRenewal();
      cancelRenewal = timers.after(renewRetryMs, renew);
      return old;
    }
    // From here on calls wait, so that none overtakes what is under way.
    current = undefined;
    for (let waitedMs = 0; old.outstanding() > 0 && waitedMs < drainMs; waitedMs += drainStepMs) {
      await pause(drainStepMs, { timers, signal });
    }
    old.close(new HubFailure("other", "its credentials were replaced"));
    return next;
  };
  const keepOpen = async (): Promise<void> => {
    let connection: HubConnection | undefined;
    for (let failures = 0; !signal.aborted; ) {
      connection ??= await openOrRest(failures);
      if (connection === undefined) {
        failures += 1;
        continue;
      }
      failures = 0;
      if (current !== connection) enter(connection);
      const end = await endOf(connection);
      if (end === undefined) connection = signal.aborted ? undefined : await replaced(connection);
      else {
        lose(end, connection);
        connection = undefined;
      }
    }
  };
  const renew = (): void => {
    isRenewAsked = current !== undefined;
    wake.abort();
  };
  const done = keepOpen();

  return {
    use: (run, callSignal) =>
      new Promise((resolve, reject) => {
        if (callSignal.aborted) return reject(callSignal.reason);
        if (signal.aborted) return reject(closed);
        const settle = (): void => {
          waiters.delete(waiter);
          callSignal.removeEventListener("abort", onAbort);
        };
        const onAbort = (): void => {
          settle();
          reject(callSignal.reason);
        };
        const waiter: Waiter = {
          run: (connection) => {
            run(connection).then(resolve, reject).finally(settle);
          },
          fail: (failure) => {
            settle();
            reject(failure);
          },
        };
        callSignal.addEventListener("abort", onAbort, { once: true });
        if (current === undefined) waiters.add(waiter);
        else waiter.run(current);
      }),
    renew,
    current: () => current,
    refusal: () => (current === undefined ? undefined : refusal),
    [Symbol.asyncDispose]: async () => {
      closing.abort(closed);
      cancelRenewal();
      wake.abort();
      current?.close(closed);
      for (const waiter of takeWaiters()) waiter.fail(closed);
      await done;
    },
  };
}

const closed = new HubFailure("other", "its store is closed");

/** Time does not mend it. */
function isForOperator({ kind }: HubFailure): boolean {
  return kind === "auth" || kind === "tls" || kind === "forbidden";
}
