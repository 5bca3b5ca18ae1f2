import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import type { Secret } from "../../mesh/secret.ts";
import type { MemberClaims } from "../../trust/charter-edit.ts";
import { parseCsr } from "../../trust/csr.ts";
import type { JoinTokenRecord, JoinWish } from "../../trust/join/join-grant.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import type { JoinMemberRequest, JoinMemberResponse } from "../../xds/joining.ts";
import { PeerPace } from "../peer-pace.ts";

/** Who is to get an intermediate, for which key. */
export type MemberRequest =
  | { readonly t: "join"; readonly claims: MemberClaims; readonly csr: Uint8Array }
  | { readonly t: "renew"; readonly member: MemberName; readonly csr: Uint8Array };

/**
 * Signs a member's intermediate and raises the charter. May be called again for a key that it has signed
 * before: the answer may have been lost. Throws MESH_TRUST_….
 */
export type AdmitMember = (request: MemberRequest) => Promise<JoinMemberResponse>;

/** As `JoinTokens.check`. */
export type CheckToken = (
  text: Secret,
  shown: { readonly address: string; readonly wish: JoinWish },
) => Promise<{
  readonly record: JoinTokenRecord;
  readonly take: (keySha256: string) => Promise<void>;
}>;

export interface MemberDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly check: CheckToken;
  /** Undefined: this agent may not use the root. */
  readonly admit: AdmitMember | undefined;
  /** Whose agent a peer is; undefined: nobody's. */
  readonly memberOf: (peer: Peer) => MemberName | undefined;
  /** How often one address, and one member's agents, may ask. */
  readonly pace?: AdmissionLimits;
}

interface Certified {
  readonly member: MemberName;
  /** Of the token. */
  readonly name?: string;
  readonly response: JoinMemberResponse;
}

// A member joins once and renews twice a year; each raises the charter, which all others read.
const defaultPace: AdmissionLimits = { perSecond: 0.2, burst: 20 };

/** Gives members their intermediates, by whatever way the request came. */
export class MemberDesk {
  readonly #options: MemberDeskOptions;
  readonly #paces: PeerPace;
  readonly #logs: Admission;

  constructor(options: MemberDeskOptions) {
    this.#options = options;
    this.#paces = new PeerPace(options.pace ?? defaultPace);
    this.#logs = new Admission({ perSecond: 1, burst: 20 }, options.clock.monotonicMs());
  }

  /** Throws what is to be answered. */
  async answer(
    request: JoinMemberRequest,
    caller: { readonly address: string; readonly peer: Peer | undefined },
  ): Promise<JoinMemberResponse> {
    const { log, clock } = this.#options;
    try {
      const { member, name, response } = await this.#judge(request, caller);
      log.info({ member, remote: caller.address, name }, "Member certified");
      return response;
    } catch (error) {
      if (this.#logs.take(clock.monotonicMs())) {
        const fields = { remote: caller.address, peer: caller.peer?.id, reason: reasonOf(error) };
        log.warn(fields, "Member not certified");
      }
      throw error;
    }
  }

  async #judge(
    { csr, token, member }: JoinMemberRequest,
    { address, peer }: { readonly address: string; readonly peer: Peer | undefined },
  ): Promise<Certified> {
    const { admit, check, memberOf } = this.#options;
    this.#take(address);
    if (admit === undefined) throw noSigner();
    const { spkiSha256 } = parseCsr(csr);
    if (token === undefined) {
      const name = peer === undefined ? undefined : memberOf(peer);
      if (name === undefined || (member !== "" && member !== name)) throw notItself(peer, member);
      return { member: name, response: await admit({ t: "renew", member: name, csr }) };
    }
    const wish: JoinWish = { t: "member", name: member === "" ? undefined : member };
    const good = await check(token, { address, wish });
    const { grant } = good.record;
    // `check` has judged the wish; a token for something else never gets here.
    if (grant.t !== "member") throw new RangeError("A member's wish was granted to a VM");
    await good.take(spkiSha256);
    const { claims } = grant;
    const response = await admit({ t: "join", claims, csr });
    return { member: claims.name, name: good.record.id, response };
  }

  #take(address: string): void {
    const waitMs = this.#paces.take(address, this.#options.clock.monotonicMs());
    if (waitMs === 0) return;
    const truth = `this address asks too often, come again in ${Math.ceil(waitMs / 1000)} s`;
    throw new MeshError("MESH_XDS_LIMIT", `Cannot certify a member: ${truth}`);
  }
}

function noSigner(): MeshError {
  return new MeshError(
    "MESH_TRUST_SIGNER_MISSING",
    "Cannot certify a member: this agent may not use the root; ask one whose agent.yaml has `trust.signer`",
  );
}

function notItself(peer: Peer | undefined, member: string): MeshError {
  const who = peer === undefined ? "a caller without a certificate" : `"${peer.id}"`;
  const whom = member === "" ? "a member" : `member ${JSON.stringify(member.slice(0, 64))}`;
  return new MeshError(
    "MESH_TRUST_ISSUE_REFUSED",
    `Cannot certify ${whom}: ${who} is not its agent, and shows no join token`,
  );
}
