import { formatHostPort } from "../../mesh/address.ts";
import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import { infrastructureSpiffeId, trustDomainOf } from "../../mesh/ids.ts";
import { probeSniOf } from "../../mesh/names.ts";
import type { Clock, IdentitySource, Log, Random, VerifyPeer } from "../../mesh/ports.ts";
import type { ProbeOutcome, ProbeState } from "../remote/probe-state.ts";
import { afterProbe, maxProbeMs, newProbeState } from "../remote/probe-state.ts";
import type { RttWindow } from "../remote/rtt-window.ts";
import { addRtt, emptyRttWindow, minRtt, presentRtt } from "../remote/rtt-window.ts";
import type { Handshake } from "./handshake.ts";
import { shakeHands } from "./handshake.ts";
import { LoopLag } from "./loop-lag.ts";

/** One gateway address of another member. */
export interface ProbeTarget {
  readonly member: MemberName;
  /** IP literal. */
  readonly address: string;
  readonly port: number;
}

/** What is known of it after a probe. */
export interface ProbeReport extends ProbeTarget {
  readonly isAlive: boolean;
  /** 5-minute minimum of the TCP round trip; undefined until one was measured. */
  readonly rttMs: number | undefined;
  /** Of the last ten round trips the shortest: what the way takes now. */
  readonly presentRttMs: number | undefined;
  /** Of the last probe that failed, also when it answers again. */
  readonly lastFailure: ProbeFailure | undefined;
}

export interface ProbeFailure {
  readonly reason: string;
  /** Monotonic. */
  readonly atMs: number;
}

export interface ProberOptions {
  readonly mesh: MeshDomain;
  readonly identity: IdentitySource;
  readonly verifyPeer: VerifyPeer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called when an address falls or rises, and with its first result. */
  readonly onReport: (report: ProbeReport) => void;
  /** Default: one probe a second to each address. */
  readonly intervalMs?: number;
}

interface Probed {
  readonly target: ProbeTarget;
  state: ProbeState;
  rtt: RttWindow;
  isReported: boolean;
  lastFailure: ProbeFailure | undefined;
  timer: NodeJS.Timeout;
  readonly ended: AbortController;
}

/** Probes every gateway address of the other members, each on its own beat. */
export class GatewayProber implements Disposable {
  readonly #options: ProberOptions;
  /** Only while somebody is probed: to look wakes the process forty times a second. */
  #lag: LoopLag | undefined;
  readonly #probed = new Map<string, Probed>();

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** Replaces the whole list; what stays keeps its history. */
  setTargets(targets: readonly ProbeTarget[]): void {
    const wanted = new Map(targets.map((target) => [keyOf(target), target]));
    for (const [key, probed] of this.#probed) {
      if (!wanted.has(key)) this.#drop(key, probed);
    }
    const added = [...wanted].filter(([key]) => !this.#probed.has(key));
    const intervalMs = this.#options.intervalMs ?? defaultIntervalMs;
    // A burst of handshakes would be the very lag that voids them; one new address is asked at once.
    const spreadMs = Math.min(intervalMs, (added.length - 1) * handshakeSpacingMs);
    if (wanted.size > 0) this.#lag ??= new LoopLag(this.#options.clock);
    else this.#stopLag();
    for (const [key, target] of added) this.#add(key, target, this.#options.random() * spreadMs);
  }

  /** Everything known, for `status`. */
  reports(): readonly ProbeReport[] {
    return [...this.#probed.values()].map((probed) => this.#reportOf(probed));
  }

  [Symbol.dispose](): void {
    for (const [key, probed] of this.#probed) this.#drop(key, probed);
    this.#stopLag();
  }

  #stopLag(): void {
    this.#lag?.[Symbol.dispose]();
    this.#lag = undefined;
  }

  #add(key: string, target: ProbeTarget, delayMs: number): void {
    const intervalMs = this.#options.intervalMs ?? defaultIntervalMs;
    const timer = setTimeout(() => {
      probed.timer = setInterval(() => this.#start(probed), intervalMs);
      this.#start(probed);
    }, delayMs);
    const probed: Probed = {
      target,
      state: newProbeState,
      rtt: emptyRttWindow,
      isReported: false,
      lastFailure: undefined,
      timer,
      ended: new AbortController(),
    };
    this.#probed.set(key, probed);
  }

  #drop(key: string, probed: Probed): void {
    this.#probed.delete(key);
    // Node's clearTimeout takes both kinds of timer.
    clearTimeout(probed.timer);
    probed.ended.abort();
  }

  #start(probed: Probed): void {
    this.#probe(probed).catch((error: unknown) => {
      this.#options.log.error({ err: error, member: probed.target.member }, "Probe broke");
    });
  }

  /** Judged once at its timeout; one that finishes after that takes the failure back. */
  async #probe(probed: Probed): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    let isTimedOut = false;
    let isConnected = false;
    const timer = setTimeout(() => {
      isTimedOut = true;
      const reason = silenceOf({ isConnected, timeoutMs: probed.state.timeoutMs });
      this.#fail(probed, { isTimeout: true, startMs, reason });
    }, probed.state.timeoutMs);
    const handshake = await this.#shakeHands(probed, () => {
      isConnected = true;
    });
    clearTimeout(timer);
    if (handshake.t === "finished") {
      const { tookMs, rttMs } = handshake;
      const t = isTimedOut ? "finished-late" : "finished";
      this.#learn(probed, { t, tookMs, rttMs }, { lagMs: this.#lagSince(startMs) });
    } else if (!isTimedOut) {
      this.#fail(probed, { isTimeout: false, startMs, reason: handshake.reason });
    }
  }

  #shakeHands({ target, ended }: Probed, onConnected: () => void): Promise<Handshake> {
    const { mesh, identity, verifyPeer, clock } = this.#options;
    return shakeHands(
      { host: target.address, port: target.port },
      {
        identity: identity.current(),
        sni: probeSniOf(target.member, mesh),
        expected: infrastructureSpiffeId(trustDomainOf(target.member, mesh), "gateway"),
        verifyPeer,
        clock,
        maxMs: maxProbeMs,
        signal: ended.signal,
        onConnected,
      },
    );
  }

  #fail(
    probed: Probed,
    failure: { readonly isTimeout: boolean; readonly startMs: number; readonly reason: string },
  ): void {
    const { isTimeout, reason } = failure;
    const lagMs = this.#lagSince(failure.startMs);
    this.#learn(probed, { t: "failed", isTimeout, lagMs }, { lagMs, reason });
  }

  #lagSince(startMs: number): number {
    return this.#lag?.worstSince(startMs) ?? 0;
  }

  #learn(
    probed: Probed,
    outcome: ProbeOutcome,
    { lagMs, reason }: { readonly lagMs: number; readonly reason?: string },
  ): void {
    if (probed.ended.signal.aborted) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (outcome.t !== "failed" && outcome.rttMs !== undefined) {
      probed.rtt = addRtt(probed.rtt, { rttMs: outcome.rttMs, lagMs, nowMs });
    }
    if (reason !== undefined) probed.lastFailure = { reason, atMs: nowMs };
    const before = probed.state;
    probed.state = afterProbe(before, outcome, { nowMs, minRttMs: minRtt(probed.rtt, nowMs) });
    const isTurn = before.isAlive !== probed.state.isAlive;
    if (!isTurn && (probed.isReported || outcome.t === "failed")) return;
    probed.isReported = true;
    if (isTurn) this.#tell(probed, reason);
    this.#options.onReport(this.#reportOf(probed));
  }

  #tell({ target, state }: Probed, reason: string | undefined): void {
    const { log } = this.#options;
    const address = formatHostPort({ host: target.address, port: target.port });
    if (state.isAlive) log.info({ member: target.member, address }, "Gateway answers again");
    else log.warn({ member: target.member, address, reason }, "Gateway does not answer");
  }

  #reportOf(probed: Probed): ProbeReport {
    const rttMs = minRtt(probed.rtt, this.#options.clock.monotonicMs());
    const { target, state, lastFailure } = probed;
    const presentRttMs = presentRtt(probed.rtt);
    return { ...target, isAlive: state.isAlive, rttMs, presentRttMs, lastFailure };
  }
}

function silenceOf(at: { readonly isConnected: boolean; readonly timeoutMs: number }): string {
  return at.isConnected
    ? `it takes the connection and does not finish the TLS handshake within ${at.timeoutMs} ms: it hangs, or the way drops large packets`
    : `it does not take the connection within ${at.timeoutMs} ms`;
}

const defaultIntervalMs = 1_000;
// A handshake costs both of its ends about a millisecond each.
const handshakeSpacingMs = 20;

function keyOf(target: ProbeTarget): string {
  return `${target.member} ${target.address} ${target.port}`;
}
