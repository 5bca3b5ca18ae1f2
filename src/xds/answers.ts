import { blamedNames } from "./nack.ts";
import type { Receipt } from "./responses.ts";

export interface Nack {
  readonly atMs: number;
  readonly message: string;
  /** Refused by this answer; empty when it named nobody and all of them are sent again one by one. */
  readonly names: readonly string[];
}

/** What a client's answer says of its state. */
export type Verdict =
  /** The nonce belongs to no response that waits for an answer. */
  | { readonly t: "stale" }
  | { readonly t: "acked" }
  | {
      readonly t: "nacked";
      readonly nack: Nack;
      /** Names of which the client may hold any version now. */
      readonly unsure: readonly string[];
      /** Removals that may have been dropped with the rest. */
      readonly removed: readonly string[];
    };

/** Responses of one type on one stream that wait for an answer, and what the answers so far refused. */
export class Answers {
  readonly #waiting = new Map<string, Receipt>();
  /** Versions that the client refused, by name; never sent again as they are. */
  readonly #refused = new Map<string, string>();
  /** Names that travel alone until accepted, because a response with them was refused as a whole. */
  readonly #suspects = new Set<string>();
  lastNack: Nack | undefined;

  get waitingCount(): number {
    return this.#waiting.size;
  }

  get refusedCount(): number {
    return this.#refused.size;
  }

  namesOnTheirWay(): ReadonlySet<string> {
    return new Set([...this.#waiting.values()].flatMap((receipt) => receipt.names));
  }

  refusedVersion(name: string): string | undefined {
    return this.#refused.get(name);
  }

  travelsAlone(name: string): boolean {
    return this.#suspects.has(name);
  }

  expect(receipt: Receipt): void {
    for (const name of receipt.removed) this.#refused.delete(name);
    this.#waiting.set(receipt.nonce, receipt);
  }

  /** The client asked for it once more, so it may have what it refused. */
  forgive(name: string): void {
    this.#refused.delete(name);
  }

  forget(name: string): void {
    this.#refused.delete(name);
    this.#suspects.delete(name);
  }

  /** `isLatest`: whether no newer version of that name was sent since; its own answer will tell. */
  take(
    answer: {
      readonly nonce: string;
      readonly error?: string;
      /** Whom the client names, where its dialect says so. */
      readonly blamed?: readonly string[];
    },
    options: {
      readonly nowMs: number;
      readonly isLatest: (name: string, version: string) => boolean;
    },
  ): Verdict {
    const receipt = this.#waiting.get(answer.nonce);
    if (receipt === undefined) return { t: "stale" };
    this.#waiting.delete(answer.nonce);
    if (answer.error === undefined) {
      for (const name of receipt.names) this.forget(name);
      return { t: "acked" };
    }
    const latest = new Set(
      receipt.names.filter((name, at) => options.isLatest(name, receipt.versions[at] ?? "")),
    );
    const { error: message } = answer;
    const named = answer.blamed ?? blamedNames(message, receipt.names);
    return this.#refuse(receipt, { message, atMs: options.nowMs, latest, named });
  }

  #refuse(
    receipt: Receipt,
    {
      message,
      atMs,
      latest,
      named,
    }: Omit<Nack, "names"> & {
      readonly latest: ReadonlySet<string>;
      readonly named: readonly string[];
    },
  ): Verdict {
    const blamed = new Set(receipt.names.length === 1 ? receipt.names : named);
    for (const [index, name] of receipt.names.entries()) {
      if (blamed.size > 0 && !blamed.has(name)) this.forget(name);
      else if (!latest.has(name)) continue;
      else if (blamed.size === 0) this.#suspects.add(name);
      else this.#refused.set(name, receipt.versions[index] ?? "");
    }
    const unsure = blamed.size === 0 ? [...latest] : [...latest].filter((name) => blamed.has(name));
    // A response of removals alone is never sent twice: nothing in it can be at fault.
    const isWhole = named.length === 0 && receipt.names.length > 0;
    const nack = { message, atMs, names: [...blamed] };
    this.lastNack = nack;
    return { t: "nacked", nack, unsure, removed: isWhole ? receipt.removed : [] };
  }
}
