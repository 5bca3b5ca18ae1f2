import { JoinTokens } from "../../../trust/io/join-tokens.ts";
import type { AgentConfig } from "../../config/config.ts";
import {
  createIdentityService,
  type IdentityService,
  type IdentityServiceOptions,
} from "./identity-service.ts";

/** What an agent's configuration says of identities, put to use. */
export function openIdentity(
  config: AgentConfig,
  parts: Omit<IdentityServiceOptions, "tokens" | "renewsByCertificate">,
): IdentityService {
  const { catalog, kubernetes } = config;
  const tokens = new JoinTokens({
    snapshotDir: catalog.snapshotDir,
    clock: parts.clock,
    hasOthers: catalog.replicas !== undefined || kubernetes?.lease !== undefined,
  });
  const asksForTokens = kubernetes?.identity?.renewal === "token";
  return createIdentityService({ ...parts, tokens, renewsByCertificate: () => !asksForTokens });
}
