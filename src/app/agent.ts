import type { CatalogStore } from "../discovery/store.ts";
import { MeshError } from "../mesh/errors.ts";
import type { HostPort } from "../mesh/address.ts";
import type { MemberName } from "../mesh/ids.ts";
import type { Clock, Log, Random } from "../mesh/ports.ts";
import type { AgentConfig } from "./config.ts";

/** What the world around an agent is made of; tests and the demo pass their own. */
export interface AgentParts {
  /** The hub. Several agents in one process share one `MemoryHub` through a store each. */
  readonly store: CatalogStore;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RunningAgent extends AsyncDisposable {
  readonly member: MemberName;
  /** Where it really listens; differs from the config when that asks for port 0. */
  readonly xds: HostPort;
  readonly httpUrl: string;
  /** Resolves when xDS streams are served: own sources and every member's shard are loaded. */
  readonly whenWarm: Promise<void>;
  /** Ends in good order within `deadlineMs`, then by force. Later calls share the first one's promise. */
  readonly stop: (options: { readonly deadlineMs: number }) => Promise<void>;
}

/**
 * Starts the control plane of one member; resolves when its ports listen. Throws MESH_LISTEN_FAILED,
 * MESH_CONFIG_INVALID (the charter says otherwise), MESH_CATALOG_NAME_TAKEN and MESH_TRUST_….
 */
export function startAgent(config: AgentConfig, _parts: AgentParts): Promise<RunningAgent> {
  throw new MeshError("MESH_INTERNAL", `Cannot start agent "${config.member.name}": not built yet`);
}
