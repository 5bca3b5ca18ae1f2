import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { gatewayServiceState } from "../../kubernetes/gateway-service.ts";
import type { FollowChange } from "../../sources/kubernetes/follower.ts";
import { printable } from "../../sources/source-finding.ts";
import type { OpenStream, WatchLimits } from "./watch-attempt.ts";
import { createWatchReader, type WatchReader } from "./watch-reader.ts";

export interface GatewayWatchOptions {
  readonly open: OpenStream;
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  /** The addresses are others than at the last call; never none. */
  readonly onAddresses: (addresses: readonly HostPort[]) => void;
  /** Why other members will not dial that host; undefined: they will, or it is a name. */
  readonly refusalOf: (host: string) => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly limits?: Partial<WatchLimits>;
}

/** Follows the addresses of the load balancer before this member's gateways. */
export interface GatewayWatch extends AsyncDisposable {
  readonly findings: () => readonly Finding[];
}

// A server that restarts refuses for a moment; the second attempt in a row is worth a word.
const tellFrom = 2;

/**
 * What was told is never taken back: a Service that is gone, or whose status is emptied, leaves the last addresses,
 * which other members probe. Disposing ends it.
 */
export function startGatewayWatch(options: GatewayWatchOptions): GatewayWatch {
  return new Watch(options);
}

class Watch implements GatewayWatch {
  readonly #options: GatewayWatchOptions;
  readonly #subject: string;
  readonly #reader: WatchReader;
  #object: object | undefined;
  #addresses: readonly HostPort[] = [];

  constructor(options: GatewayWatchOptions) {
    const { namespace, name } = options.service;
    this.#options = options;
    this.#subject = `${namespace}/${name}`;
    this.#reader = createWatchReader({
      ...options,
      paths: [`/api/v1/namespaces/${namespace}/services`],
      onChange: (change) => this.#take(change),
      onStatus: () => undefined,
    });
    this.#reader.start();
  }

  findings(): readonly Finding[] {
    return [...this.#pending(), ...this.#refused()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.close();
  }

  #take({ puts, removed }: FollowChange): void {
    if (removed.includes(this.#subject)) this.#object = undefined;
    for (const { key, object } of puts) if (key === this.#subject) this.#object = object;
    const { port } = this.#options.service;
    const state = gatewayServiceState(this.#object, port);
    if (state.t === "unreached") return;
    const addresses = state.hosts.map((host) => ({ host, port }));
    if (textOf(addresses) === textOf(this.#addresses)) return;
    this.#addresses = addresses;
    this.#options.log.info(
      { names: addresses.map(formatHostPort) },
      "Addresses of the gateways' load balancer changed",
    );
    this.#options.onAddresses(addresses);
  }

  #pending(): readonly Finding[] {
    const reason = this.#reason();
    if (reason === undefined) return [];
    const still =
      this.#addresses.length === 0
        ? "what this member published last stays; without any, other members cannot call it"
        : `${textOf(this.#addresses)} stays published`;
    return [
      {
        code: "GATEWAY_ADDRESS_PENDING",
        severity: "warning",
        subject: this.#subject,
        message: printable(`gateway.service: ${reason}; ${still}`),
      },
    ];
  }

  #reason(): string | undefined {
    const { isSynced, problem, failures } = this.#reader.status();
    if (problem !== undefined && failures >= tellFrom) {
      const said = problem.t === "refused" ? problem.message : problem.reason;
      return `it cannot be read: ${said}`;
    }
    if (!isSynced) return undefined;
    const state = gatewayServiceState(this.#object, this.#options.service.port);
    return state.t === "unreached" ? state.reason : undefined;
  }

  #refused(): readonly Finding[] {
    return this.#addresses.flatMap(({ host }): Finding[] => {
      const refusal = this.#options.refusalOf(host);
      if (refusal === undefined) return [];
      const message = `gateway.service: other members will not use it: ${refusal}`;
      return [
        { code: "GATEWAY_ADDRESS_REFUSED", severity: "error", subject: this.#subject, message },
      ];
    });
  }
}

function textOf(addresses: readonly HostPort[]): string {
  return addresses.map(formatHostPort).join(", ");
}
