import { type SpiffeId, spiffePartsOf } from "../../../mesh/ids.ts";
import { JoinTokens } from "../../../trust/io/join-tokens.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { Prove } from "../../kubernetes/token-identity.ts";
import {
  createIdentityService,
  type IdentityService,
  type IdentityServiceOptions,
} from "./identity-service.ts";
import { proveAccount } from "./prove-account.ts";

export interface OpenIdentityParts
  extends Omit<IdentityServiceOptions, "tokens" | "renewsByCertificate" | "proveAccount"> {
  /** Absent: the agent has no cluster, or takes no tokens of it. */
  readonly byCluster?: Prove;
  /** Whether VMs of some WorkloadGroup run as this account. */
  readonly isVmAccount: (account: WorkloadAccount) => boolean;
}

interface WorkloadAccount {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** What an agent's configuration says of identities, put to use. */
export function openIdentity(config: AgentConfig, parts: OpenIdentityParts): IdentityService {
  const { catalog, kubernetes, trust } = config;
  const tokens = new JoinTokens({
    snapshotDir: catalog.snapshotDir,
    clock: parts.clock,
    hasOthers: catalog.replicas !== undefined || kubernetes?.lease !== undefined,
  });
  const issuers = trust.tokenIssuers ?? [];
  const prove = proveAccount(issuers, { ...parts, trustDomain: parts.trust.view().ownTrustDomain });
  // One that asks for them each time is enough: nobody can tell which of them a certificate came by.
  const asksForTokens = [kubernetes?.identity, ...issuers].some((one) => one?.renewal === "token");
  return createIdentityService({
    ...parts,
    ...(prove === undefined ? {} : { proveAccount: prove }),
    tokens,
    // A VM shows its token once; its certificate renews until its group is gone.
    renewsByCertificate: ({ id }) => !asksForTokens || isVm(id, parts),
  });
}

function isVm(id: SpiffeId, { isVmAccount }: OpenIdentityParts): boolean {
  const match = /^\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffePartsOf(id).path);
  const [, namespace, serviceAccount] = match ?? [];
  if (namespace === undefined || serviceAccount === undefined) return false;
  return isVmAccount({ namespace, serviceAccount });
}
