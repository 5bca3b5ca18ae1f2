import { codeOf, reasonOf } from "../../../../mesh/errors.ts";
import type { Clock, Log } from "../../../../mesh/ports.ts";
import { pacedLog } from "../../../../telemetry/paced-log.ts";
import type { KubeApi, ObjectRef, ResourceType } from "../../../kubernetes/kube-api.ts";

/** An object of which something is to be said. */
export interface Pending {
  readonly type: ResourceType;
  readonly ref: ObjectRef;
  /** Undefined: nothing yet. */
  readonly wordAt: (now: Date) => StatusWord | undefined;
}

export interface StatusWord {
  /** Undefined: its status says so. */
  readonly patch: object | undefined;
  /** There is no more to say of it later. */
  readonly isFinal: boolean;
}

export interface StatusWritesOptions {
  readonly api: Pick<KubeApi, "mergePatch">;
  /** Of a member's agents one writes. */
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

// Nobody waits for it, and a thousand policies at once must not crowd out what somebody waits for.
const lookMs = 2000;
const maxWritesPerLook = 50;

/** Writes what is to be said into the status of objects, a few at a time. Disposing ends it. */
export class StatusWrites implements AsyncDisposable {
  readonly #options: StatusWritesOptions;
  /** What has no true status yet. */
  readonly #pending = new Map<string, Pending>();
  readonly #timer: NodeJS.Timeout;
  readonly #log: Log;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: StatusWritesOptions) {
    this.#options = options;
    const pace = { burst: 3, perSecond: 1 / 60 };
    this.#log = pacedLog(options.log, pace, options.clock.monotonicMs);
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  set(key: string, pending: Pending | undefined): void {
    if (pending === undefined) this.#pending.delete(key);
    else this.#pending.set(key, pending);
  }

  #look(): void {
    if (this.#isClosed || !this.#options.isLeader()) return;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    let written = 0;
    for (const [key, pending] of this.#pending) {
      const word = pending.wordAt(new Date(this.#options.clock.nowMs()));
      if (word === undefined) continue;
      const { patch, isFinal } = word;
      if (patch !== undefined) {
        if (this.#isClosed || written === maxWritesPerLook) return;
        written += 1;
        if (!(await this.#patch(key, { pending, patch }))) {
          // Whatever is wrong with this one, the others come first the next time.
          if (this.#pending.delete(key)) this.#pending.set(key, pending);
          return;
        }
      }
      // It may have changed while it was written, and there may be more to say of it later.
      if (isFinal && this.#pending.get(key) === pending) this.#pending.delete(key);
    }
  }

  /** False: try again at the next look. */
  async #patch(
    key: string,
    { pending, patch }: { readonly pending: Pending; readonly patch: object },
  ): Promise<boolean> {
    const { type, ref } = pending;
    try {
      await this.#options.api.mergePatch(type, ref, { patch, subresource: "status" });
      return true;
    } catch (thrown) {
      const code = codeOf(thrown);
      // What it was changed to comes by the watch, and is looked at then.
      if (code === "MESH_KUBE_ABSENT" || code === "MESH_KUBE_CONFLICT") return true;
      const reason = reasonOf(thrown);
      this.#log.warn({ name: key, reason }, "Cannot say what becomes of a policy");
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#writing;
  }
}
