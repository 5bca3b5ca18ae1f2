import type { SignedCharter } from "../../../mesh/charter.ts";
import type { CheckClaim } from "../../../mesh/claim.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { type Holder, holderOf } from "../../../mesh/holder.ts";
import {
  infrastructureSpiffeId,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from "../../../mesh/ids.ts";
import type { Clock, Log, Peer, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { TrustView } from "../../../proxy/trust-view.ts";
import { type CharterVerdict, judgeCharter, type TrustedCharter } from "../../../trust/charter.ts";
import { judgeClaim } from "../../../trust/claims.ts";
import { type AgentIdentities, createAgentIdentities } from "../../../trust/io/agent-identities.ts";
import { loadMember, type MemberFiles, saveCharter } from "../../../trust/io/member-files.ts";
import { holdIssuer, type MemberIssuer } from "../../../trust/io/member-issuer.ts";
import type { Issuer } from "../../../trust/issue.ts";
import { issueProven, renewSvid } from "../../../trust/issuer.ts";
import { evenPhases } from "../../../trust/renewal-times.ts";
import { crossesOf, shownIssuer } from "../../../trust/root-rotation/issuing-root.ts";
import { createVerifier, type Verifier } from "../../../trust/verifier.ts";
import type { RenewResponse } from "../../../xds/renewal.ts";
import type { AgentConfig } from "../../config/config.ts";
import { federatedView } from "../federation/federated-view.ts";
import {
  conflictFinding,
  differencesFrom,
  gatewayFindings,
  ownFindings,
  refusalFinding,
} from "./trust-findings.ts";

/** Everything an agent knows about who is who. */
export interface AgentTrust {
  readonly charter: () => TrustedCharter;
  readonly identities: AgentIdentities;
  /** Of this agent and of every other one of its member. */
  readonly agentId: SpiffeId;
  /** Roots (PEM) of the foreign trust domains that the charter lets in, as they are known now. */
  readonly foreignRoots: Holder<ReadonlyMap<TrustDomain, string>>;
  /** What the member signs with; renewals and rotations replace it. */
  readonly issuer: MemberIssuer;
  readonly verifier: Verifier;
  readonly checkClaim: CheckClaim;
  readonly view: () => TrustView;
  /** Issues the peer's own identity again for a new key. */
  readonly renew: (peer: Peer, csr: Uint8Array) => Promise<RenewResponse>;
  /** Issues an identity that somebody proved without a certificate. */
  readonly issue: (id: SpiffeId, csr: Uint8Array) => Promise<RenewResponse>;
  /** Judges a charter that a hub or an operator brings; a newer one is in force now. */
  readonly offer: (signed: SignedCharter) => CharterVerdict;
  /** Resolves when the charter in force is on disk, or could not be written. */
  readonly whenSaved: () => Promise<void>;
  readonly findings: () => readonly Finding[];
}

/**
 * Loads the member's folder and compares it with the configuration. Throws MESH_CONFIG_INVALID with
 * all that does not fit, MESH_FILE_UNREADABLE and MESH_TRUST_….
 */
export async function openAgentTrust(
  config: AgentConfig,
  parts: {
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Log;
    readonly signal: AbortSignal;
  },
): Promise<AgentTrust> {
  const { clock, log } = parts;
  const nextPhase = evenPhases(parts.random);
  const files = await loadMember(config.trust.dir);
  checkAgainst(config, files);
  let current = files.charter;
  const problems = new Map<string, Finding>();
  const { mesh, trustDomain } = files;
  const issuer = holdIssuer({
    dir: config.trust.dir,
    first: files.issuer,
    trustDomain,
    charter: () => current,
    clock,
  });
  const verifier = createVerifier({
    mesh,
    bundle: () => current.bundle,
    charter: () => current.charter,
  });
  const identities = await createAgentIdentities({
    issuer,
    trustDomain,
    bundle: () => current.bundle,
    crosses: () => crossesOf(current.charter),
    ...parts,
  });

  const shown = (): Issuer =>
    shownIssuer(issuer.current(), { charter: current.charter, roots: current.bundle.roots });

  const foreignRoots = holderOf<ReadonlyMap<TrustDomain, string>>(new Map());

  // One after the other, each the newest by then: an older one must never be the last on disk.
  let saving: Promise<void> = Promise.resolve();
  const save = async (): Promise<void> => {
    try {
      await saveCharter(config.trust.dir, current);
    } catch (thrown) {
      log.warn({ file: config.trust.dir, reason: reasonOf(thrown) }, "Charter could not be saved");
    }
  };
  const adopt = (next: TrustedCharter): void => {
    current = next;
    // It has all that ours had; whoever made the other one is told there.
    problems.delete("conflict");
    log.info({ charter: next.charter.number }, "New charter in force");
    saving = saving.then(save);
  };
  const offer = (signed: SignedCharter): CharterVerdict => {
    const verdict = judgeCharter(signed, current);
    switch (verdict.t) {
      case "newer":
        adopt(verdict.charter);
        break;
      case "known":
        break;
      case "conflict":
        problems.set("conflict", conflictFinding(mesh, verdict.number));
        break;
      case "refused":
        problems.set("refused", refusalFinding(mesh, verdict.reason));
        break;
    }
    return verdict;
  };

  return {
    charter: () => current,
    identities,
    agentId: infrastructureSpiffeId(trustDomain, "agent"),
    issuer,
    foreignRoots,
    verifier,
    checkClaim: (member, claim) => judgeClaim(current.charter, { member, claim }),
    view: () => {
      const domainsOf = (isDenied: boolean): readonly TrustDomain[] =>
        current.charter.members
          .filter(({ state }) => (state === "denied") === isDenied)
          .map(({ name }) => trustDomainOf(name, mesh));
      return {
        bundlePem: current.bundle.pem,
        ownTrustDomain: trustDomain,
        trustDomains: domainsOf(false),
        denied: domainsOf(true),
        ...federatedView(current.charter, foreignRoots.current()),
      };
    },
    renew: async (peer, csrDer) => {
      const nowMs = clock.nowMs();
      const { bundle } = current;
      const renewed = await renewSvid({ csrDer, peer }, { issuer: shown(), bundle, nowMs });
      return { chain: renewed.chainDer, bundle: renewed.bundleDer, renewPhase: nextPhase() };
    },
    issue: async (id, csrDer) => {
      const nowMs = clock.nowMs();
      const { bundle } = current;
      const issued = await issueProven({ csrDer, id }, { issuer: shown(), bundle, nowMs });
      return { chain: issued.chainDer, bundle: issued.bundleDer, renewPhase: nextPhase() };
    },
    offer,
    whenSaved: () => saving,
    findings: () => [
      ...problems.values(),
      ...ownFindings(current.charter, config),
      ...gatewayFindings(current.charter, config),
    ],
  };
}

function checkAgainst(config: AgentConfig, files: MemberFiles): void {
  const wrong = differencesFrom(config, files);
  if (wrong.length === 0) return;
  throw new MeshError(
    "MESH_CONFIG_INVALID",
    `Cannot run as member "${config.member.name}": configuration and ${config.trust.dir} disagree\n` +
      wrong.map((line) => `  ${line}`).join("\n"),
  );
}
