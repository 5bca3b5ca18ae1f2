import { type Charter, type CharterMember, charterMember } from "../../../mesh/charter.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import { PeerPace } from "../../../proxy/peer-pace.ts";
import type { TrustedCharter } from "../../../trust/charter.ts";
import { type MemberClaims, withMember } from "../../../trust/charter-edit.ts";
import { type ProvenKey, parseCsr } from "../../../trust/csr.ts";
import { issueIntermediate } from "../../../trust/issue.ts";
import type { JoinHub, JoinMemberResponse } from "../../../xds/joining.ts";
import type { HubConfig } from "../../config/config.ts";
import type { CharterDesk } from "./charter-desk.ts";

/** Who wants an intermediate, proven by whoever passes it on. */
export type Applicant =
  /** A token says what it may claim. */
  | { readonly t: "join"; readonly claims: MemberClaims; readonly csr: Uint8Array }
  /** Its agent shows its certificate. */
  | { readonly t: "renew"; readonly member: MemberName; readonly csr: Uint8Array };

/**
 * Certifies a member's issuing key with the root and lists it in the charter. Asked again with the same key it
 * answers again, without another charter. Throws MESH_TRUST_ISSUE_REFUSED, MESH_TRUST_CSR_REFUSED,
 * MESH_XDS_LIMIT and as `CharterDesk.raise`.
 */
export type AdmitMember = (applicant: Applicant) => Promise<JoinMemberResponse>;

// An issuer lives a year, and the charter keeps the last few: one that asks in a loop would fill it.
const renewalPace = { burst: 32, perSecond: 1 / 60 };

export function createAdmission(
  desk: CharterDesk,
  {
    clock,
    log,
    hubs = [],
  }: { readonly clock: Clock; readonly log: Log; readonly hubs?: readonly HubConfig[] | undefined },
): AdmitMember {
  const pace = new PeerPace(renewalPace);
  return async (applicant) => {
    const proven = parseCsr(applicant.csr);
    const { name } = claimsOf(applicant, desk.current().charter);
    const isListed = (): boolean => isIssuer(desk.current(), { name, ...proven });
    if (applicant.t === "renew" && !isListed()) takePace(pace, { name, clock });
    const root = await desk.root();
    const nowMs = clock.nowMs();
    const { mesh } = desk.current().charter;
    const certificate = await issueIntermediate({ root, member: name, mesh, ...proven, nowMs });
    // Nobody gets the certificate before the charter lists its key.
    if (!isListed()) {
      const key = { issuerSpkiSha256: proven.spkiSha256, issuerEndsMs: certificate.notAfterMs };
      const edit = (current: Charter): Charter =>
        withMember(current, {
          claims: claimsOf(applicant, current),
          ...key,
          renew: applicant.t === "renew",
          nowMs,
        });
      await desk.raise(edit).catch((thrown: unknown) => {
        // Its first call may have been under way still.
        if (!isListed()) throw thrown;
      });
    }
    const charter = desk.current();
    log.info({ member: name, charter: charter.charter.number }, "Member got its issuer");
    return {
      chain: [certificate, ...(root.above ?? [])].map(({ der }) => der),
      bundle: charter.bundle.roots.map(({ der }) => der),
      charter: charter.signed,
      hubs: applicant.t === "join" ? hubs.map(hubFor) : [],
    };
  };
}

function hubFor({ url, username, passwordFile, caFile }: HubConfig): JoinHub {
  const needsPassword = username !== undefined || passwordFile !== undefined;
  return { url, needsPassword, needsCa: caFile !== undefined };
}

function claimsOf(applicant: Applicant, charter: Charter): MemberClaims {
  if (applicant.t === "join") return applicant.claims;
  const entry = charterMember(charter, applicant.member);
  if (entry === undefined || entry.state === "denied") {
    throw new MeshError(
      "MESH_TRUST_ISSUE_REFUSED",
      `Cannot renew the issuer of "${applicant.member}": the charter does not admit it`,
    );
  }
  const { issuers: _issuers, state: _state, issuersEndMs: _end, ...claims }: CharterMember = entry;
  return claims;
}

function isIssuer(
  { charter }: TrustedCharter,
  key: { readonly name: MemberName } & ProvenKey,
): boolean {
  const entry = charterMember(charter, key.name);
  return entry !== undefined && entry.state !== "denied" && entry.issuers.includes(key.spkiSha256);
}

function takePace(
  pace: PeerPace,
  { name, clock }: { readonly name: MemberName; readonly clock: Clock },
): void {
  const waitMs = pace.take(name, clock.monotonicMs());
  if (waitMs === 0) return;
  const seconds = Math.ceil(waitMs / 1000);
  throw new MeshError(
    "MESH_XDS_LIMIT",
    `Cannot renew the issuer of "${name}": it asks too often; again in ${seconds} s`,
  );
}
