import type { Random } from "../../../../mesh/ports.ts";
import { type GroupStanding, groupAnswer } from "../../../policies/group-answer.ts";
import { importAnswer, type Programming } from "../../../policies/import-answer.ts";
import {
  notActedUpon,
  type PolicyAnswer,
  type SeenPolicy,
  seenPolicy,
  statusPatch,
} from "../../../policies/policy-answer.ts";
import { type PolicyKind, policyKinds, routeKind } from "../../../policies/policy-kinds.ts";
import { routeStatusPatch, seenRoute } from "../../../policies/route-answer.ts";
import type { FollowChange } from "../../../sources/kubernetes/follower.ts";
import { readApiObject } from "../../../sources/kubernetes/read-api-object.ts";
import type { OpenStream } from "../watch-attempt.ts";
import { createWatchReader, type WatchReader } from "../watch-reader.ts";
import {
  type Pending,
  type StatusWord,
  StatusWrites,
  type StatusWritesOptions,
} from "./status-writes.ts";

export interface PolicyAnswersOptions extends StatusWritesOptions {
  readonly open: OpenStream;
  /** How far the ImportPolicy of that name has come. */
  readonly programmingOf: (name: string) => Programming;
  /** What becomes of that WorkloadGroup, `namespace/name`; absent: nothing. */
  readonly standingOf?: (group: string) => GroupStanding;
  readonly random: Random;
}

/** Says in the status of policies and routes what this version makes of them. Disposing ends it. */
export function startPolicyAnswers(options: PolicyAnswersOptions): AsyncDisposable {
  const opened = new AsyncDisposableStack();
  const writes = opened.use(new StatusWrites(options));
  const follow = (kind: PolicyKind, pendingOf: (object: object) => Pending | undefined): void => {
    const onChange = ({ puts, removed }: FollowChange): void => {
      for (const key of removed) writes.set(`${kind.kind} ${key}`, undefined);
      for (const { key, object } of puts) writes.set(`${kind.kind} ${key}`, pendingOf(object));
    };
    const reader = readerOf(kind, { ...options, onChange });
    opened.defer(() => reader.close());
    reader.start();
  };
  for (const kind of policyKinds) {
    follow(kind, (object) => pendingPolicy(kind, { object, ...options }));
  }
  follow(routeKind, pendingRoute);
  return opened;
}

function readerOf(
  { type }: PolicyKind,
  options: Pick<PolicyAnswersOptions, "open" | "clock" | "random"> & {
    readonly onChange: (change: FollowChange) => void;
  },
): WatchReader {
  return createWatchReader({
    ...options,
    paths: [`/apis/${type.group}/${type.version}/${type.resource}`],
    // A cluster without the definitions has no such objects either; they may come later.
    onStatus: () => undefined,
  });
}

function pendingPolicy(
  { kind, type }: PolicyKind,
  options: Pick<PolicyAnswersOptions, "programmingOf" | "standingOf"> & {
    readonly object: object;
  },
): Pending | undefined {
  const seen = seenPolicy(options.object);
  if (seen === undefined) return undefined;
  const answers: Readonly<Record<string, typeof answerImport>> = {
    ImportPolicy: answerImport,
    WorkloadGroup: answerGroup,
  };
  const answerOf = answers[kind]?.(seen, options) ?? (() => notActedUpon(kind));
  return {
    type,
    ref: seen.ref,
    wordAt: (now) => {
      const answer = answerOf();
      if (answer === undefined) return undefined;
      // What waits for proxies is looked at again, and which Services select a group is theirs to say.
      const isPending = answer.conditions.some(({ reason }) => reason === "Pending");
      const isFinal = !isPending && kind !== "WorkloadGroup";
      return { patch: statusPatch(seen, { answer, now }), isFinal };
    },
  };
}

function answerImport(
  seen: SeenPolicy,
  { programmingOf, object }: Parameters<typeof pendingPolicy>[1],
): () => PolicyAnswer | undefined {
  const { name } = seen.ref;
  const reading = readApiObject(`ImportPolicy/${name}`, { ...object });
  return () => importAnswer(seen, { reading, programming: programmingOf(name) });
}

function answerGroup(
  seen: SeenPolicy,
  { standingOf, object }: Parameters<typeof pendingPolicy>[1],
): () => PolicyAnswer | undefined {
  const { namespace = "default", name } = seen.ref;
  const id = `${namespace}/${name}`;
  const reading = readApiObject(`WorkloadGroup/${id}`, { ...object });
  return () => groupAnswer(seen, { reading, standing: standingOf?.(id) ?? { t: "unfollowed" } });
}

function pendingRoute(object: object): Pending | undefined {
  const seen = seenRoute(object);
  // Most are for Gateways, or answered: nothing of those is kept.
  if (seen === undefined || routeStatusPatch(seen, new Date(0)) === undefined) return undefined;
  const wordAt = (now: Date): StatusWord => ({ patch: routeStatusPatch(seen, now), isFinal: true });
  return { type: routeKind.type, ref: seen.ref, wordAt };
}
