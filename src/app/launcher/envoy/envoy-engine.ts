import { setTimeout as wait } from "node:timers/promises";
import { MeshError } from "../../../mesh/errors.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { LogLevel } from "../../../telemetry/names.ts";
import type { EngineReport, LaunchedEngine, ListenerReport } from "../engine-port.ts";
import { adminAt, type EnvoyAdmin } from "./admin.ts";
import {
  countsOf,
  type EnvoyCounts,
  listeningIn,
  listeningPath,
  readListeners,
  readStats,
  statsPath,
} from "./envoy-counts.ts";
import { drainEnvoy } from "./envoy-drain.ts";
import { adminSocketIn } from "./envoy-folder.ts";
import { EnvoyProcess } from "./envoy-process.ts";
import { formatVersion } from "./envoy-version.ts";
import type { FoundEnvoy } from "./find-envoy.ts";
import { LastWords } from "./last-words.ts";
import { parseLogLine } from "./log-line.ts";
import { Repeats } from "./repeats.ts";
import { restartDelayMs } from "./restart-delay.ts";
import { sharedCall } from "./shared-call.ts";

export interface EnvoyEngineOptions {
  readonly envoy: FoundEnvoy;
  /** Made ready by `prepareFolder`. */
  readonly folder: string;
  /** Reports what it counts for as long as it is run, and how often it was started again. */
  readonly loads: Disposable & { readonly restarted: (count: number) => void };
  readonly workers: number;
  readonly drainSeconds: number;
  /** See `DrainOptions`. */
  readonly keepsOutbound: boolean;
  readonly logLevel: LogLevel;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
}

// A run that was this long was no part of a crash loop.
const goodRunMs = 60_000;
const startLookMs = 50;
const lookMs = 1_000;
// Envoy answers from its main thread, which a large configuration keeps busy for seconds. So many unanswered
// looks of 5 s each in a row are no such thing.
const maxUnanswered = 6;
const killAfterMs = 2_000;
const longWaitMs = 10_000;

type State = "starting" | "ready" | "between-runs" | "draining" | "ended";

/** Runs an Envoy, again and again if it must, until told to end. */
export class EnvoyEngine implements LaunchedEngine {
  readonly ready: Promise<void>;
  readonly admin: EnvoyAdmin;
  /** Throws MESH_UNREACHABLE. */
  readonly ownMetrics: () => Promise<string>;
  readonly #options: EnvoyEngineOptions;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  readonly #repeats = new Repeats();
  readonly #lastWords = new LastWords();
  /** Whoever reaches our admin port may ask without end, and Envoy answers all from its main thread. */
  readonly #count: () => Promise<EnvoyCounts> = sharedCall(() => this.#askCounts());
  #process: EnvoyProcess | undefined;
  #state: State = "starting";
  #unanswered = 0;
  #failed = 0;
  #waitingSinceMs: number | undefined;
  #restarts = 0;
  #lastEnd: string | undefined;
  #listeners: readonly ListenerReport[] = [];

  constructor(options: EnvoyEngineOptions) {
    this.#options = options;
    this.ready = this.#ready.promise;
    // Whoever does not care for readiness must not die of it.
    this.ready.catch(() => {});
    this.admin = adminAt(adminSocketIn(options.folder));
    this.ownMetrics = sharedCall(
      async () => (await this.admin.get("/stats/prometheus?usedonly")).body,
    );
    this.#running = this.#run();
  }

  isReady(): boolean {
    return this.#state === "ready" && this.#unanswered === 0;
  }

  listeners(): readonly ListenerReport[] {
    return this.#listeners;
  }

  pid(): number | undefined {
    return this.#process?.pid;
  }

  async report(): Promise<EngineReport> {
    const counted = await this.#count().catch(() => countsOf([]));
    const { envoy } = this.#options;
    return {
      isReady: this.isReady(),
      isConnected: counted.isConnected,
      listeners: this.#listeners,
      counts: { ...counted.counts, restarts: this.#restarts },
      details: {
        envoy: {
          path: envoy.path,
          version: formatVersion(envoy.version),
          pid: this.pid() ?? null,
          state: this.#state,
          restarts: this.#restarts,
          lastEnd: this.#lastEnd ?? null,
        },
      },
    };
  }

  async drain(graceMs: number): Promise<void> {
    const isRunning = this.#state === "ready";
    this.#state = "draining";
    this.#ending.abort();
    const count = (): Promise<EnvoyCounts> => this.#count();
    if (isRunning) await drainEnvoy({ ...this.#options, admin: this.admin, count }, graceMs);
    await this.#end("SIGTERM");
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#end("SIGKILL");
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const timer = setTimeout(() => this.#process?.kill("SIGKILL"), killAfterMs);
    this.#process?.kill(signal);
    await this.#running;
    this.#options.loads[Symbol.dispose]();
    clearTimeout(timer);
    this.#state = "ended";
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#options;
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted; ) {
      const startMs = clock.monotonicMs();
      const envoy = this.#start();
      this.#process = envoy;
      const [how] = await Promise.all([envoy.ended, this.#watch(envoy)]);
      this.#process = undefined;
      if (signal.aborted) return;
      const words = this.#lastWords.take(clock.monotonicMs());
      const reason = words === undefined ? how : `${how} after it said: ${words}`;
      failures = clock.monotonicMs() - startMs > goodRunMs ? 1 : failures + 1;
      this.#state = "between-runs";
      this.#restarts += 1;
      this.#lastEnd = reason;
      // One that ends before it reaches the agent could not tell it itself.
      this.#options.loads.restarted(this.#restarts);
      const delayMs = restartDelayMs(failures, random);
      log.error({ reason, delayMs, count: this.#restarts }, "Envoy ended, starting another");
      await wait(delayMs, undefined, { signal }).catch(() => undefined);
      this.#state = signal.aborted ? this.#state : "starting";
    }
  }

  #start(): EnvoyProcess {
    const { envoy } = this.#options;
    return new EnvoyProcess({
      ...this.#options,
      binary: envoy.path,
      restarts: this.#restarts,
      onLine: (line) => this.#tellLine(line),
    });
  }

  #tellLine(line: string): void {
    const { clock, log } = this.#options;
    const { level, part, text } = parseLogLine(line);
    if (level === "error") this.#lastWords.note(text, clock.monotonicMs());
    const telling = this.#repeats.take(`${part} ${text}`, clock.monotonicMs());
    if (telling.t === "suppress") return;
    const { suppressed } = telling;
    log[level]({ part, reason: text, ...(suppressed > 0 && { suppressed }) }, "Envoy says");
  }

  /** Until this run ends. */
  async #watch(envoy: EnvoyProcess): Promise<void> {
    const over = new AbortController();
    const ended = envoy.ended.then(() => over.abort());
    let hasAnswered = false;
    while (!over.signal.aborted && !this.#ending.signal.aborted) {
      const look = await this.#look();
      this.#unanswered = look === "silent" && hasAnswered ? this.#unanswered + 1 : 0;
      hasAnswered ||= look !== "silent";
      if (this.#unanswered === maxUnanswered) {
        this.#options.log.error({}, "Envoy does not answer, ending it");
        envoy.kill("SIGKILL");
      }
      const pauseMs = look === "ready" ? lookMs : startLookMs;
      await wait(pauseMs, undefined, { signal: over.signal }).catch(() => undefined);
    }
    await ended;
  }

  async #look(): Promise<"ready" | "not-ready" | "silent"> {
    try {
      const { status } = await this.admin.get("/ready");
      if (status !== 200) return "not-ready";
      if (this.#state !== "starting") return "ready";
      const { warming, failed } = listeningIn((await this.admin.get(listeningPath)).body);
      if (failed > this.#failed) this.#ready.reject(this.#notListening(failed));
      this.#failed = failed;
      if (warming + failed > 0) return this.#notYet(warming);
      this.#listeners = readListeners((await this.admin.get("/listeners?format=json")).body);
      // It may have been told to end meanwhile.
      if (this.#state === "starting") this.#state = "ready";
      this.#ready.resolve();
      return "ready";
    } catch {
      return "silent";
    }
  }

  /** An Envoy that waits for what the agent never says would otherwise wait in silence. */
  #notYet(warming: number): "not-ready" {
    const { clock, log } = this.#options;
    this.#waitingSinceMs ??= clock.monotonicMs();
    const isLong = clock.monotonicMs() - this.#waitingSinceMs > longWaitMs;
    if (isLong && warming > 0) {
      this.#waitingSinceMs = clock.monotonicMs();
      log.warn({ count: warming }, "Listeners wait for the rest of their configuration");
    }
    return "not-ready";
  }

  #notListening(count: number): MeshError {
    const { log } = this.#options;
    log.error({ count }, "Envoy cannot open listeners");
    const truth = `${count} listeners failed, Envoy's words in the log say why`;
    return new MeshError("MESH_LISTEN_FAILED", `Cannot listen: ${truth}`);
  }

  async #askCounts(): Promise<EnvoyCounts> {
    const [stats, listeners] = await Promise.all([
      this.admin.get(statsPath),
      this.admin.get("/listeners?format=json"),
    ]);
    this.#listeners = readListeners(listeners.body);
    return countsOf(readStats(stats.body));
  }
}
