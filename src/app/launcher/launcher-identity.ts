import { MeshError } from "../../mesh/errors.ts";
import {
  infrastructureSpiffeId,
  type SpiffeId,
  type TrustDomain,
  workloadSpiffeId,
} from "../../mesh/ids.ts";
import type { Identity } from "../../mesh/ports.ts";
import { homeOf } from "../../trust/identity.ts";
import { loadIdentity } from "../../trust/io/identity-store.ts";
import type { GatewayConfig, SidecarConfig } from "../config/config.ts";

/**
 * Loads the identity that a gateway or a sidecar starts with: what could neither serve nor renew itself
 * must not look as if it ran. Throws MESH_CONFIG_INVALID (it is another's), MESH_FILE_UNREADABLE and
 * MESH_TRUST_….
 */
export async function loadLauncherIdentity(
  config: GatewayConfig | SidecarConfig,
  nowMs: number,
): Promise<Identity> {
  const { dir } = config.identity;
  const identity = await loadIdentity(dir);
  const { id, notAfterMs } = identity;
  const wanted = wantedId(config, config.identity.token?.trustDomain ?? homeOf(id).trustDomain);
  if (notAfterMs <= nowMs) {
    const ended = new Date(notAfterMs).toISOString();
    throw new MeshError(
      "MESH_TRUST_IDENTITY_REFUSED",
      `Cannot use identity in ${dir}: it ended ${ended}; issue a new one with isthmus trust issue`,
    );
  }
  if (id === wanted) return identity;
  throw new MeshError(
    "MESH_CONFIG_INVALID",
    `Cannot use identity in ${dir}: it is ${id}, but this configuration needs ${wanted}`,
  );
}

/** Who this gateway or sidecar has to be. Throws MESH_ID_INVALID. */
export function wantedId(config: GatewayConfig | SidecarConfig, home: TrustDomain): SpiffeId {
  return "workload" in config
    ? workloadSpiffeId(home, config)
    : infrastructureSpiffeId(home, "gateway");
}
