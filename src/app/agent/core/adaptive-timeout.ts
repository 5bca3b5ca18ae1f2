import type { Clock, Log } from "../../../mesh/ports.ts";
import { type ConnectTimeout, nextConnectTimeout } from "../../../proxy/connect-timeout.ts";
import { defaultProxySettings } from "../../../proxy/settings.ts";

export interface AdaptiveTimeoutOptions {
  readonly worstRttMs: () => number;
  readonly isFailover: () => boolean;
  readonly onChange: (timeoutMs: number) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long the member's proxies wait for a connection: as far as the farthest neighbour is now. */
export class AdaptiveTimeout {
  readonly #options: AdaptiveTimeoutOptions;
  #timeout: ConnectTimeout = { timeoutMs: defaultProxySettings.connectTimeoutMs };

  constructor(options: AdaptiveTimeoutOptions) {
    this.#options = options;
  }

  /** Call each second. A change rebuilds every connection pool. */
  adjust(): void {
    const { worstRttMs, isFailover, onChange, clock, log } = this.#options;
    const before = this.#timeout.timeoutMs;
    this.#timeout = nextConnectTimeout(this.#timeout, {
      rttMs: worstRttMs(),
      nowMs: clock.monotonicMs(),
      isFailover: isFailover(),
    });
    const { timeoutMs } = this.#timeout;
    if (timeoutMs === before) return;
    log.info({ actionMs: timeoutMs }, "Connect timeout changed");
    onChange(timeoutMs);
  }
}
