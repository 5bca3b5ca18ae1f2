import { type SpiffeId, spiffePartsOf } from "../../../mesh/ids.ts";
import { JoinTokens } from "../../../trust/io/join-tokens.ts";
import type { AgentConfig } from "../../config/config.ts";
import {
  createIdentityService,
  type IdentityService,
  type IdentityServiceOptions,
} from "./identity-service.ts";

export interface OpenIdentityParts
  extends Omit<IdentityServiceOptions, "tokens" | "renewsByCertificate"> {
  /** Whether VMs of some WorkloadGroup run as this account. */
  readonly isVmAccount: (account: WorkloadAccount) => boolean;
}

interface WorkloadAccount {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** What an agent's configuration says of identities, put to use. */
export function openIdentity(config: AgentConfig, parts: OpenIdentityParts): IdentityService {
  const { catalog, kubernetes } = config;
  const tokens = new JoinTokens({
    snapshotDir: catalog.snapshotDir,
    clock: parts.clock,
    hasOthers: catalog.replicas !== undefined || kubernetes?.lease !== undefined,
  });
  const asksForTokens = kubernetes?.identity?.renewal === "token";
  return createIdentityService({
    ...parts,
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
