import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { type Holder, holderOf } from "../../mesh/holder.ts";
import type { Clock, Identity, Log, Random } from "../../mesh/ports.ts";
import type { Certificate } from "../certificate.ts";
import { createCsr } from "../csr.ts";
import { identityOf } from "../identity.ts";
import { renewAtMs, retryDelayMs } from "../renewal-times.ts";
import { newPrivateKey } from "./new-key.ts";
import { renewWhenDue } from "./renewal-loop.ts";

/** A new SVID for the key of the request; DER. */
export interface SvidAnswer {
  /** Leaf first. */
  readonly chainDer: readonly Uint8Array[];
  readonly bundleDer: readonly Uint8Array[];
  /** In [0, 1): the issuer's wish; see `Identity`. */
  readonly renewPhase?: number;
  /** Of who asks itself. */
  readonly ownIssuer?: Certificate;
}

/** Asks whoever issues: the agent over mTLS, or the own intermediate in memory. */
export type RequestSvid = (csrDer: Uint8Array) => Promise<SvidAnswer>;

/** An identity that others read and a renewal replaces. */
export type IdentityHolder = Holder<Identity>;

/** Tells its listeners at once when the identity is replaced. */
export function holdIdentity(first: Identity): IdentityHolder {
  return holderOf(first);
}

export interface Renewal {
  readonly holder: IdentityHolder;
  readonly requestSvid: RequestSvid;
  /** Called with each new identity before it is used; a failure to keep it does not stop its use. */
  readonly save?: (identity: Identity) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Tells of a reason to renew now, before its time; returns its own cancellation. */
  readonly onDue?: (listener: () => void) => () => void;
  /** Ends early, without throwing, when the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Renews an identity at half its life until the signal aborts, each time with a fresh key that stays
 * in this process. Failures are retried with growing pauses; the old identity stays meanwhile.
 */
export async function renewIdentity(renewal: Renewal): Promise<void> {
  const { holder, random, log } = renewal;
  // Kept for all renewals, and only what chance gave yields to the issuer's wish.
  const drawn = random();
  let wished: number | undefined;
  let isFirst = true;
  await renewWhenDue({
    ...renewal,
    dueMs: () => {
      const identity = holder.current();
      wished ??= identity.renewPhase;
      const phase = wished ?? drawn;
      if (!isFirst) return nextRenewalMs(identity, { ...renewal, phase });
      isFirst = false;
      return renewAtMs(identity, phase);
    },
    renew: () => renewOnce(renewal),
    onFailure: (thrown, failures) => {
      const { id, notAfterMs } = holder.current();
      log.warn({ id, notAfterMs, reason: reasonOf(thrown) }, "SVID renewal failed");
      return retryDelayMs(failures, random);
    },
  });
}

// An issuer about to end gives ever shorter lives; asking more often than this would be a storm.
const minPauseMs = 1000;

/**
 * Half of what is left now: certificates are backdated, so that half of a short one's written life may
 * be over before it is issued.
 */
function nextRenewalMs(
  identity: Identity,
  { clock, phase }: { readonly clock: Clock; readonly phase: number },
): number {
  const nowMs = clock.nowMs();
  const left = { notBeforeMs: nowMs, notAfterMs: identity.notAfterMs };
  return Math.max(renewAtMs(left, phase), nowMs + minPauseMs);
}

/** Throws MESH_TRUST_IDENTITY_REFUSED when the answer is not what was asked for. */
async function renewOnce(renewal: Renewal): Promise<void> {
  const { holder, log, clock } = renewal;
  const key = newPrivateKey();
  const identity = identityOf(key, await renewal.requestSvid(createCsr(key)));
  const { id } = holder.current();
  const isNewer = identity.notAfterMs > clock.nowMs();
  if (identity.id !== id || !isNewer) {
    const truth = isNewer ? `it is for "${identity.id}"` : "it has expired already";
    throw new MeshError("MESH_TRUST_IDENTITY_REFUSED", `Cannot renew "${id}": ${truth}`);
  }
  try {
    await renewal.save?.(identity);
  } catch (thrown) {
    log.error({ id, reason: reasonOf(thrown) }, "SVID could not be saved");
  }
  holder.replace(identity);
  log.info({ id, notAfterMs: identity.notAfterMs }, "SVID renewed");
}
