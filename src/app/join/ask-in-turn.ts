import { setTimeout as wait } from "node:timers/promises";
import type { HostPort } from "../../mesh/address.ts";
import { type ErrorCode, MeshError } from "../../mesh/errors.ts";
import type { Secret } from "../../mesh/secret.ts";
import { parseJoinToken } from "../../trust/join/join-token.ts";
import { isTimeout } from "../launcher/agent-call.ts";
import { type PinnedAgent, pinnedAgent } from "./pinned-agent.ts";

export interface JoinAt {
  /** Any agents of the member that made the token; asked in this order. */
  readonly agents: readonly HostPort[];
  /** As `isthmus token create` printed it. */
  readonly token: Secret;
  readonly signal?: AbortSignal;
  /** How often all agents are asked while they ask for patience. Default 20. */
  readonly rounds?: number;
}

// What another agent may answer better: each keeps its own tokens, and not all may use the root.
const worthAnother: ReadonlySet<ErrorCode> = new Set([
  "MESH_UNREACHABLE",
  "MESH_JOIN_ROOT_MISMATCH",
  "MESH_JOIN_TOKEN_ELSEWHERE",
  "MESH_JOIN_TOKEN_UNPROVEN",
  "MESH_TRUST_SIGNER_MISSING",
  "MESH_XDS_LIMIT",
  "MESH_INTERNAL",
]);

// Behind one address there may be several agents, and which of them answers is chance: of a million newcomers to
// two agents one misses the right one this often. And an agent that starts has read its sources by then.
const defaultRounds = 20;
const pauseMs = 100;
// What five hundred newcomers at once are told to wait.
const patienceMs = 1000;
// One that takes so long is waited for this often; then nobody is there.
const slowRounds = 3;
const worthPatience: ReadonlySet<ErrorCode> = new Set([
  "MESH_JOIN_TOKEN_UNPROVEN",
  "MESH_XDS_LIMIT",
]);

/**
 * Shows a token to one agent after the other, each pinned first, until one takes it. Throws the first refusal,
 * and when none answered why the last one did not; MESH_JOIN_TOKEN_MALFORMED.
 */
export async function askInTurn<Answer>(
  { agents, token, signal, rounds = defaultRounds }: JoinAt,
  ask: (agent: PinnedAgent) => Promise<Answer>,
): Promise<{ readonly agent: PinnedAgent; readonly answer: Answer }> {
  const pin = { token: parseJoinToken(token), ...(signal === undefined ? {} : { signal }) };
  for (let round = 1; ; round += 1) {
    const failures: MeshError[] = [];
    for (const each of agents) {
      signal?.throwIfAborted();
      try {
        const agent = await pinnedAgent(each, pin);
        return { agent, answer: await ask(agent) };
      } catch (thrown) {
        if (!(thrown instanceof MeshError) || !worthAnother.has(thrown.code)) throw thrown;
        failures.push(thrown);
      }
    }
    const delayMs = pauseAfter(failures, round);
    if (delayMs === undefined || round >= rounds) throw mostTelling(failures);
    await wait(delayMs, undefined, signal === undefined ? {} : { signal });
  }
}

/** Undefined: asking again changes nothing. */
function pauseAfter(failures: readonly MeshError[], round: number): number | undefined {
  const isBusy =
    failures.some(({ code }) => worthPatience.has(code)) ||
    (round < slowRounds && failures.some(isTimeout));
  // Those that came together do not come back together.
  if (isBusy) return patienceMs * (0.5 + Math.random());
  const isElsewhere = failures.some(({ code }) => code === "MESH_JOIN_TOKEN_ELSEWHERE");
  return isElsewhere ? pauseMs : undefined;
}

/** Somebody's word says more than another's silence. */
function mostTelling(failures: readonly MeshError[]): MeshError {
  const word = failures.find(({ code }) => code !== "MESH_UNREACHABLE") ?? failures.at(-1);
  return word ?? new MeshError("MESH_USAGE", "Cannot join: no agent is named");
}
