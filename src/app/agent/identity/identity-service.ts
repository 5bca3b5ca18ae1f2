import type { Server } from "@grpc/grpc-js";
import { MeshError } from "../../../mesh/errors.ts";
import { type MemberName, memberOfTrustDomain, spiffePartsOf } from "../../../mesh/ids.ts";
import type { Clock, Log, Peer } from "../../../mesh/ports.ts";
import { IssueDesk } from "../../../proxy/identity/issue-desk.ts";
import { type AdmitMember, MemberDesk } from "../../../proxy/identity/member-desk.ts";
import { RenewalDesk } from "../../../proxy/identity/renewal-desk.ts";
import { registerBundle } from "../../../proxy/io/identity/bundle-service.ts";
import { HttpsCalls } from "../../../proxy/io/identity/https-calls.ts";
import { registerJoining } from "../../../proxy/io/identity/join-service.ts";
import { registerIssuing } from "../../../proxy/io/issue-service.ts";
import { registerRenewal } from "../../../proxy/io/renewal-service.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";
import type { BundleResponse } from "../../../xds/joining.ts";
import type { RenewResponse } from "../../../xds/renewal.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { type ProvingParts, proveClaimant } from "./prove-claimant.ts";

export interface IdentityServiceOptions extends Omit<ProvingParts, "trustDomain"> {
  readonly trust: AgentTrust;
  /** Whether this peer's certificate buys the next one; else it has to prove itself again as at first. */
  readonly renewsByCertificate: (peer: Peer) => boolean;
  /** A certificate bought the next one. */
  readonly onRenewed: (peer: Peer) => void;
  /** Undefined: this agent may not use the root. */
  readonly admit?: AdmitMember;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
}

/** Who gets which certificate at this agent's port, over gRPC and over plain HTTPS. */
export interface IdentityService {
  /** For peers whose certificate was accepted. */
  readonly register: (grpc: Server, peerOf: (remote: string) => Peer | undefined) => void;
  /** For callers without one: nothing else of the agent's is within their reach. */
  readonly registerUnproven: (grpc: Server) => void;
  readonly https: HttpsCalls;
}

export function createIdentityService(options: IdentityServiceOptions): IdentityService {
  const { trust, clock, log, telemetry, tokens, admit } = options;
  const { agentId, issue } = trust;
  const trustDomain = trust.view().ownTrustDomain;
  const issuing = new IssueDesk({
    clock,
    log,
    prove: proveClaimant({ ...options, trustDomain }),
    issue,
    onAnswer: (result) => telemetry.count("issues", { result }),
  });
  const renewal = new RenewalDesk({
    clock,
    log,
    renew: (peer, csr) => renewed(peer, csr, options),
    onLimit: () => telemetry.count("xdsLimited", { limit: "renewals" }),
  });
  const members = new MemberDesk({
    clock,
    log,
    check: (text, shown) => tokens.check(text, shown),
    admit,
    memberOf: (peer) => memberOf(peer, trust),
  });
  const bundle = (): BundleResponse => ({
    bundle: trust.charter().bundle.roots.map((root) => root.der),
    agentId,
  });
  return {
    register: (grpc, peerOf) => {
      registerBundle(grpc, bundle);
      registerRenewal(grpc, { desk: renewal, peerOf });
      registerJoining(grpc, { desk: members, peerOf });
    },
    registerUnproven: (grpc) => {
      registerBundle(grpc, bundle);
      registerIssuing(grpc, issuing);
      registerJoining(grpc, { desk: members, peerOf: () => undefined });
    },
    https: new HttpsCalls({ bundle, issuing, renewal, members }, { log }),
  };
}

async function renewed(
  peer: Peer,
  csr: Uint8Array,
  { trust, telemetry, renewsByCertificate, onRenewed }: IdentityServiceOptions,
): Promise<RenewResponse> {
  try {
    if (!renewsByCertificate(peer)) throw needsToken(peer);
    const answer = await trust.renew(peer, csr);
    telemetry.count("renewals", { result: "issued" });
    onRenewed(peer);
    return answer;
  } catch (thrown) {
    telemetry.count("renewals", { result: "refused" });
    throw thrown;
  }
}

/** Its own agent alone speaks for a member: gateways and workloads have certificates of the same issuer. */
function memberOf({ id }: Peer, trust: AgentTrust): MemberName | undefined {
  const { trustDomain, path } = spiffePartsOf(id);
  if (path !== "/isthmus/agent") return undefined;
  return memberOfTrustDomain(trustDomain, trust.charter().charter.mesh);
}

/** A key that was copied out of a pod would outlive it for ever: only a token says that the pod still lives. */
function needsToken({ id }: Peer): MeshError {
  return new MeshError(
    "MESH_TRUST_ISSUE_REFUSED",
    `Cannot renew "${id}" by its certificate: this member asks for a token each time; give its launcher ` +
      "`identity.token`, or the agent `kubernetes.identity.renewal: certificate`",
  );
}
