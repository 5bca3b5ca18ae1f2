import type { KubernetesAnswer, StatusAnswer } from "../../app/api-model.ts";
import { spanOf } from "./phrases.ts";
import type { Cell } from "./table.ts";

type Row = readonly [title: string, cell: Cell];

// The webhook's certificate is replaced at half of its week.
const lateMs = 86_400_000;

/** What `status` says of an agent's own cluster; nothing without one. */
export function kubernetesRows(
  { kubernetes }: Pick<StatusAnswer, "kubernetes">,
  nowMs: number = Date.now(),
): readonly Row[] {
  if (kubernetes === undefined) return [];
  const { apiServer, lease, imports, webhook } = kubernetes;
  return [
    ["kubernetes", apiServerCell(apiServer)],
    ...(lease === undefined ? [] : [["  lease", leaseCell(lease)] as const]),
    ...(imports === undefined ? [] : [["  imports", importsCell(imports)] as const]),
    ...(webhook === undefined ? [] : [["  webhook", webhookCell(webhook, nowMs)] as const]),
  ];
}

function apiServerCell({
  url,
  isReachable,
  heardAgoMs,
  lastError,
}: KubernetesAnswer["apiServer"]): Cell {
  const heard = heardAgoMs === undefined ? "not heard yet" : `heard ${spanOf(heardAgoMs)} ago`;
  if (isReachable) return { text: `${url}: ${heard}` };
  const why =
    lastError === undefined ? "" : `; ${lastError.reason}, ${spanOf(lastError.agoMs)} ago`;
  return { text: `${url}: does not answer, ${heard}${why}`, tone: "bad" };
}

function leaseCell({ name, state, holder }: NonNullable<KubernetesAnswer["lease"]>): Cell {
  switch (state) {
    case "leader":
      return { text: `${name}: held by this agent` };
    case "follower":
      return holder === undefined
        ? { text: `${name}: held by nobody`, tone: "warn" }
        : { text: `${name}: held by ${holder}` };
    case "doubtful":
      return { text: `${name}: was held by this agent, which cannot renew it`, tone: "bad" };
    case "unknown":
      return { text: `${name}: not read yet`, tone: "warn" };
  }
}

function importsCell({
  isKnown,
  imports,
  waiting,
}: NonNullable<KubernetesAnswer["imports"]>): Cell {
  const text = `${imports} in this cluster, ${waiting} to be looked at`;
  return isKnown ? { text } : { text: `not all read yet: ${text}`, tone: "warn" };
}

function webhookCell(
  { configuration, problem, notAfterMs }: NonNullable<KubernetesAnswer["webhook"]>,
  nowMs: number,
): Cell {
  const leftMs = notAfterMs - nowMs;
  const ends = leftMs <= 0 ? "certificate has ended" : `certificate ends in ${spanOf(leftMs)}`;
  if (problem !== undefined) return { text: `${configuration}: ${problem}; ${ends}`, tone: "bad" };
  return { text: `${configuration}: kept; ${ends}`, tone: leftMs < lateMs ? "warn" : "plain" };
}
