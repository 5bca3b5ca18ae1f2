import type { Clock, Peer } from "../../../mesh/ports.ts";
import { fromPem } from "../../../trust/pem.ts";
import { issuerOutdated } from "../../../trust/root-rotation/issuing-root.ts";
import type { AgentCore } from "../core/agent-core.ts";
import type { AgentProxies } from "../proxies/agent-proxies.ts";
import type { ProxyWatch } from "../proxies/proxy-watch.ts";
import type { ReplicaWatch } from "../replicas/replica-watch.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { RotationAcks } from "./rotation-acks.ts";

/** An agent's part in a rotation of the root. */
export interface AgentRotation
  extends Pick<RotationAcks, "record" | "tally" | "replaced">,
    Disposable {
  /** Whether a peer, which trusts the roots of that digest, should renew its certificate before its time. */
  readonly mustRenew: (peer: Peer, bundleDigest: string) => boolean;
  /** A charter came into force. */
  readonly look: () => void;
}

const lookEveryMs = 1000;

/** What opens after it. */
export interface RotationDoors {
  readonly proxies?: Pick<AgentProxies, "roots" | "cut">;
  readonly proxyWatch?: Pick<ProxyWatch, "gone">;
  readonly replicas?: Pick<ReplicaWatch, "tallies">;
}

/** Follows the charter: asks for an issuer under the new root when it is time, and counts what proxies confirm. */
export function openRotation(parts: {
  readonly trust: AgentTrust;
  readonly core: Pick<AgentCore, "publishMember">;
  readonly doors: RotationDoors;
  /** Asks for another issuer now; is called again and again until it is there. */
  readonly renewIssuer: (reason: string) => void;
  readonly clock: Clock;
}): AgentRotation {
  const { trust, doors, clock } = parts;
  const acks = new RotationAcks({
    charter: trust.charter,
    issuer: trust.issuer.current,
    proxies: () => doors.proxies?.roots() ?? [],
    silent: () => doors.proxyWatch?.gone() ?? 0,
    elsewhere: () => doors.replicas?.tallies() ?? [],
    ownOld: () => ownOld(trust),
    cut: (remote) => doors.proxies?.cut(remote),
    onChange: () => parts.core.publishMember(),
    clock,
  });
  const look = (): void => {
    const { charter, bundle } = trust.charter();
    const reason = issuerOutdated(trust.issuer.current(), { charter, roots: bundle.roots });
    if (reason !== undefined) parts.renewIssuer(reason);
    acks.look();
  };
  const timer = setInterval(look, lookEveryMs);
  return {
    record: () => acks.record(),
    tally: () => acks.tally(),
    replaced: (leafSha256) => acks.replaced(leafSha256),
    mustRenew: (peer, bundleDigest) => mustRenew(trust, { peer, bundleDigest }),
    look,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/**
 * New roots come with a new certificate; and while the old root is drained, certificates under it are replaced.
 * Outside of a rotation an older issuer's stay good for their time.
 */
function mustRenew(
  { charter, issuer }: AgentTrust,
  { peer, bundleDigest }: { readonly peer: Peer; readonly bundleDigest: string },
): boolean {
  const { bundle, charter: current } = charter();
  if (bundleDigest !== bundle.digest) return true;
  const isReplacing = current.rotationStep === "draining" || current.rotationStep === "retiring";
  return isReplacing && peer.issuerSpkiSha256 !== issuer.current().certificate.spkiSha256;
}

/** Of the agent's own identities, those that another issuer than the present one signed. */
function ownOld({ identities, issuer }: AgentTrust): number {
  const present = issuer.current().certificate.der;
  return [identities.agent, identities.catalog].filter((source) => {
    const [, signedBy] = fromPem("CERTIFICATE", source.current().certChainPem);
    return signedBy === undefined || !present.equals(signedBy);
  }).length;
}
