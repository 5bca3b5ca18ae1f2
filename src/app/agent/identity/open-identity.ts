import type { SpiffeId } from "../../../mesh/ids.ts";
import { JoinTokens } from "../../../trust/io/join-tokens.ts";
import type { AgentConfig } from "../../config/config.ts";
import {
  createIdentityService,
  type IdentityService,
  type IdentityServiceOptions,
} from "./identity-service.ts";

export interface OpenIdentityParts
  extends Omit<IdentityServiceOptions, "tokens" | "renewsByCertificate"> {
  /** Whether the workloads of some WorkloadGroup have this identity. */
  readonly isGroups: (id: SpiffeId) => boolean;
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
    renewsByCertificate: ({ id }) => !asksForTokens || parts.isGroups(id),
  });
}
