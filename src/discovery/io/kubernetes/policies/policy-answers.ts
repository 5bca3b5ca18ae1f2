import { codeOf, reasonOf } from "../../../../mesh/errors.ts";
import type { Clock, Log, Random } from "../../../../mesh/ports.ts";
import { pacedLog } from "../../../../telemetry/paced-log.ts";
import type { KubeApi } from "../../../kubernetes/kube-api.ts";
import { importAnswer, type Programming } from "../../../policies/import-answer.ts";
import {
  notActedUpon,
  type PolicyAnswer,
  type SeenPolicy,
  seenPolicy,
  statusPatch,
} from "../../../policies/policy-answer.ts";
import { type PolicyKind, policyKinds } from "../../../policies/policy-kinds.ts";
import type { FollowChange } from "../../../sources/kubernetes/follower.ts";
import {
  type ApiObjectReading,
  readApiObject,
} from "../../../sources/kubernetes/read-api-object.ts";
import type { OpenStream } from "../watch-attempt.ts";
import { createWatchReader } from "../watch-reader.ts";

export interface PolicyAnswersOptions {
  readonly api: Pick<KubeApi, "mergePatch">;
  readonly open: OpenStream;
  /** Of a member's agents one writes. */
  readonly isLeader: () => boolean;
  /** How far the ImportPolicy of that name has come. */
  readonly programmingOf: (name: string) => Programming;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

// Nobody waits for it, and a thousand policies at once must not crowd out what somebody waits for.
const lookMs = 2000;
const maxWritesPerLook = 50;

/** Says in the status of policies what this version makes of them. Disposing ends it. */
export function startPolicyAnswers(options: PolicyAnswersOptions): AsyncDisposable {
  return new PolicyAnswers(options);
}

interface Pending {
  readonly kind: PolicyKind;
  readonly seen: SeenPolicy;
  /** Only of kinds that are acted upon. */
  readonly reading?: ApiObjectReading;
}

class PolicyAnswers implements AsyncDisposable {
  readonly #options: PolicyAnswersOptions;
  /** By kind and key: what has no true status yet. */
  readonly #pending = new Map<string, Pending>();
  readonly #readers: readonly { readonly start: () => void; readonly close: () => Promise<void> }[];
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> | undefined;
  readonly #log: Log;
  #isClosed = false;

  constructor(options: PolicyAnswersOptions) {
    this.#options = options;
    const pace = { burst: 3, perSecond: 1 / 60 };
    this.#log = pacedLog(options.log, pace, options.clock.monotonicMs);
    this.#readers = policyKinds.map((kind) =>
      createWatchReader({
        ...options,
        paths: [`/apis/${kind.type.group}/${kind.type.version}/${kind.type.resource}`],
        onChange: (change) => this.#take(kind, change),
        // A cluster without the CRDs has no policies either.
        onStatus: () => undefined,
      }),
    );
    for (const reader of this.#readers) reader.start();
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  #take(kind: PolicyKind, { puts, removed }: FollowChange): void {
    for (const key of removed) this.#pending.delete(`${kind.kind} ${key}`);
    for (const { key, object } of puts) {
      const seen = seenPolicy(object);
      if (seen === undefined) continue;
      const isActedUpon = kind.kind === "ImportPolicy";
      const reading = isActedUpon ? readApiObject(`ImportPolicy/${key}`, { ...object }) : undefined;
      const one = { kind, seen, ...(reading === undefined ? {} : { reading }) };
      this.#pending.set(`${kind.kind} ${key}`, one);
    }
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
      const answer = this.#answerOf(pending);
      if (answer === undefined) continue;
      const now = new Date(this.#options.clock.nowMs());
      const patch = statusPatch(pending.seen, { answer, now });
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
      if (isFinal(answer) && this.#pending.get(key) === pending) this.#pending.delete(key);
    }
  }

  #answerOf({ kind, seen, reading }: Pending): PolicyAnswer | undefined {
    if (reading === undefined) return notActedUpon(kind.kind);
    const programming = this.#options.programmingOf(seen.ref.name);
    return importAnswer(seen, { reading, programming });
  }

  /** False: try again at the next look. */
  async #patch(
    key: string,
    { pending, patch }: { readonly pending: Pending; readonly patch: object },
  ): Promise<boolean> {
    const { api } = this.#options;
    const { kind, seen } = pending;
    try {
      await api.mergePatch(kind.type, seen.ref, { patch, subresource: "status" });
      return true;
    } catch (thrown) {
      if (codeOf(thrown) === "MESH_KUBE_ABSENT") return true;
      this.#log.warn(
        { name: key, reason: reasonOf(thrown) },
        "Cannot say what becomes of a policy",
      );
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await Promise.all([...this.#readers.map((reader) => reader.close()), this.#writing]);
  }
}

/** What waits for proxies is looked at again; what is wrong is written anew first. */
function isFinal({ conditions }: PolicyAnswer): boolean {
  return !conditions.some(({ reason }) => reason === "Pending");
}
