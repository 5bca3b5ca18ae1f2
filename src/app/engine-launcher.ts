import type { HostPort } from "../mesh/address.ts";
import { MeshError } from "../mesh/errors.ts";
import type { Clock, Log, Random } from "../mesh/ports.ts";
import type { GatewayConfig, SidecarConfig } from "./config.ts";

/** What the world around a launcher is made of. */
export interface LauncherParts {
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RunningEngine extends AsyncDisposable {
  /** `http://127.0.0.1:15021`, with the port it really has. */
  readonly adminUrl: string;
  /** Resolves when every listener of the first configuration listens and the agent was told so. */
  readonly whenReady: Promise<void>;
  /** Where each Envoy listener, by its xDS name, really listens. */
  readonly listening: () => ReadonlyMap<string, HostPort>;
  /** Takes no new connections, lets old ones end within `deadlineMs`, then cuts them. */
  readonly stop: (options: { readonly deadlineMs: number }) => Promise<void>;
}

/** Resolves when the engine runs and its admin port listens; it need not have an agent yet. */
export function startGateway(
  config: GatewayConfig,
  _parts: LauncherParts,
): Promise<RunningEngine> {
  throw new MeshError("MESH_INTERNAL", `Cannot start gateway on ${config.listen.port}: not built`);
}

/** Resolves when the engine runs and its admin port listens; it need not have an agent yet. */
export function startSidecar(
  config: SidecarConfig,
  _parts: LauncherParts,
): Promise<RunningEngine> {
  throw new MeshError("MESH_INTERNAL", `Cannot start sidecar ${config.workload}: not built`);
}
