import type { SignedCharter } from "../../../mesh/charter.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { parseCertificate } from "../../../trust/certificate.ts";
import { createCsr } from "../../../trust/csr.ts";
import type { MemberIssuer, NextIssuer } from "../../../trust/io/member-issuer.ts";
import { newPrivateKey } from "../../../trust/io/new-key.ts";
import { type RenewalLoop, renewWhenDue } from "../../../trust/io/renewal-loop.ts";
import { privateKeyPemOf } from "../../../trust/keys.ts";
import { renewAtMs, retryDelayMs } from "../../../trust/renewal-times.ts";
import type { RequestIssuer } from "./ask-for-issuer.ts";
import { issuerFindings } from "./issuer-findings.ts";

export interface IssuerRenewalOptions {
  readonly issuer: MemberIssuer;
  /** The member's name, or whatever its findings are about. */
  readonly subject: string;
  /** Absent: nobody who may use the root can be asked, and people bring the next issuer. */
  readonly request?: RequestIssuer;
  /** Takes the charter that lists the next issuer. Throws when it is not to be trusted. */
  readonly takeCharter: (signed: SignedCharter) => Promise<unknown>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly sleep?: NonNullable<RenewalLoop["sleep"]>;
}

/** Keeps the member's issuer young. */
export interface IssuerRenewal extends AsyncDisposable {
  /**
   * For a reason other than age, such as another root that certifies now. May be called again and again: one request
   * is under way at a time, and one that failed is not made again at once.
   */
  readonly renewNow: (reason: string) => void;
  readonly findings: () => readonly Finding[];
}

// The root may be away for weeks, and there is half a life to wait for it; a member asks each ten minutes at most.
const slowestMs = 10 * 60_000;

/** Asks for the next issuer at half life of the present one, and uses it from then on. */
export function keepIssuer(options: IssuerRenewalOptions): IssuerRenewal {
  const { issuer, request, clock, random, log } = options;
  const ending = new AbortController();
  const listeners = new Set<() => void>();
  let failure: string | undefined;
  let isAsking = false;
  let isHurried = false;
  const phase = random();
  const asking = request === undefined ? undefined : askWith(request, options);
  const loop = async (renew: () => Promise<void>): Promise<void> =>
    await renewWhenDue({
      dueMs: () => renewAtMs(issuer.current().certificate, phase),
      renew: async () => {
        isAsking = true;
        await renew().finally(() => {
          isAsking = false;
        });
        failure = undefined;
        isHurried = false;
      },
      onFailure: (thrown, failures) => {
        failure = reasonOf(thrown);
        log.warn({ name: options.subject, reason: failure }, "Issuer renewal failed");
        const isSlow = failures > 7 && !isHurried;
        return isSlow ? slowestMs * (0.5 + random() / 2) : retryDelayMs(failures, random);
      },
      clock,
      signal: ending.signal,
      onDue: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      ...(options.sleep === undefined ? {} : { sleep: options.sleep }),
    });
  const running = asking === undefined ? Promise.resolve() : loop(asking);
  return {
    renewNow: (reason) => {
      isHurried = true;
      if (isAsking || failure !== undefined) return;
      log.info({ name: options.subject, reason }, "Issuer is renewed before its time");
      for (const listener of listeners) listener();
    },
    findings: () =>
      issuerFindings(issuer.current().certificate, {
        subject: options.subject,
        nowMs: clock.nowMs(),
        isRenewed: asking !== undefined,
        ...(failure === undefined ? {} : { failure }),
      }),
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await running;
    },
  };
}

/** One key until it is certified and in use: an answer that is lost may be asked for again, and lists no issuer in vain. */
function askWith(request: RequestIssuer, options: IssuerRenewalOptions): () => Promise<void> {
  let key = newPrivateKey();
  return async () => {
    const answer = await request(createCsr(key));
    await options.takeCharter(answer.charter);
    await options.issuer.adopt({ chain: chainOf(answer.chain), keyPem: privateKeyPemOf(key) });
    const { notAfterMs } = options.issuer.current().certificate;
    options.log.info({ name: options.subject, notAfterMs }, "Issuer renewed");
    key = newPrivateKey();
  };
}

function chainOf(der: readonly Uint8Array[]): NextIssuer["chain"] {
  const [issuer, ...above] = der.map(parseCertificate);
  if (issuer !== undefined) return [issuer, ...above];
  throw new MeshError("MESH_TRUST_ISSUE_REFUSED", "Cannot renew the issuer: the answer is empty");
}
