import type { Clock } from "../../mesh/ports.ts";
import type { ProvenAccount, TokenVerdict, VerifyToken } from "../../mesh/token.ts";
import { sha256Hex } from "../keys.ts";
import { lruOf } from "../lru.ts";
import { refused } from "./refusal.ts";

/**
 * Keys first, then the API server: garbage never reaches it, and it alone knows that the pod of a sound token
 * is gone. While it does not answer, a sound token counts: what it could be abused for ends with the token,
 * and a mesh in which no pod can start because one API server is away has failed already. Without keys the
 * API server's word is enough.
 */
export function verifyInTurn(ways: {
  readonly byKeys: VerifyToken;
  readonly byReview: VerifyToken;
}): VerifyToken {
  return async (token) => {
    const offline = await ways.byKeys(token);
    if (offline.t === "refused") return offline;
    const online = await ways.byReview(token);
    if (offline.t === "unknown") return bothUnknown(offline, online);
    switch (online.t) {
      case "unknown":
        return offline;
      case "refused":
        return refused("MESH_TOKEN_UNBOUND", `the cluster does not accept it: ${online.reason}`);
      case "proven":
        return isSame(offline.account, online.account)
          ? online
          : refused(
              "MESH_TOKEN_UNTRUSTED",
              "the cluster says that it names another pod or account",
            );
    }
  };
}

function bothUnknown(
  offline: Extract<TokenVerdict, { readonly t: "unknown" }>,
  online: TokenVerdict,
): TokenVerdict {
  if (online.t !== "unknown") return online;
  return { t: "unknown", reason: `${offline.reason}; ${online.reason}` };
}

function isSame(one: ProvenAccount, other: ProvenAccount): boolean {
  return (
    one.namespace === other.namespace &&
    one.serviceAccount === other.serviceAccount &&
    one.serviceAccountUid === other.serviceAccountUid &&
    one.pod.name === other.pod.name &&
    one.pod.uid === other.pod.uid
  );
}

// As long as API servers remember their own; a launcher that asks again meets the same answer.
const rememberMs = 10_000;
const maxRemembered = 2048;

/** Remembers verdicts by the hash of the token for a moment. What nobody could tell is asked again. */
export function rememberVerdicts(verify: VerifyToken, clock: Clock): VerifyToken {
  const known = lruOf<{ readonly verdict: TokenVerdict; readonly untilMs: number }>(maxRemembered);
  return async (token) => {
    const key = sha256Hex(Buffer.from(token.reveal()));
    const found = known.get(key);
    if (found !== undefined && clock.monotonicMs() < found.untilMs) return found.verdict;
    const verdict = await verify(token);
    if (verdict.t !== "unknown") {
      known.set(key, { verdict, untilMs: clock.monotonicMs() + rememberMs });
    }
    return verdict;
  };
}
