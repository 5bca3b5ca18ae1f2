import { networkInterfaces } from "node:os";
import { canonicalIp, type HostPort, isRoutable } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { SpiffeId } from "../../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random } from "../../../mesh/ports.ts";
import type { GroupDefinition } from "../../../mesh/workload-group.ts";
import type { RegistrationConfig, SidecarConfig } from "../../config/config.ts";
import { version } from "../../version.ts";
import { startHealthChecks } from "../../vm/health/run-checks.ts";
import { loadInstanceSecret } from "./instance-secret.ts";
import { RegistrationClient } from "./registration-client.ts";

export interface RegistrationParts {
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A sidecar's registration, with the checks that its group asks for. Disposing ends both without a goodbye. */
export interface RunningRegistration extends AsyncDisposable {
  /** Call it once, when the sidecar serves. */
  readonly start: () => void;
  readonly isRegistered: () => boolean;
  readonly leave: RegistrationClient["leave"];
}

/** Throws MESH_CONFIG_INVALID (this machine has no address to register) and MESH_FILE_UNREADABLE. */
export async function openRegistration(
  config: SidecarConfig & { readonly registration: RegistrationConfig },
  parts: RegistrationParts,
): Promise<RunningRegistration> {
  const { registration } = config;
  const instanceSecret = await loadInstanceSecret(config.identity.dir);
  addressOf(config);
  const checks = createChecks({ ...parts, isExecAllowed: registration.allowExec });
  const client = new RegistrationClient({
    ...parts,
    agents: [config.agent, ...(config.otherAgents ?? [])],
    registration: () => ({
      group: registration.group,
      instanceSecret,
      name: config.workload,
      address: addressOf(config),
      zone: config.zone ?? "",
      version,
    }),
    onDefinition: (definition) => checks.take(definition, client),
  });
  return {
    start: () => client.start(),
    isRegistered: () => client.isRegistered,
    leave: async (waitMs) => await client.leave(waitMs),
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await checks.close();
    },
  };
}

interface Checks {
  readonly take: (definition: GroupDefinition, client: RegistrationClient) => void;
  readonly close: () => Promise<void>;
}

/** One check at a time: the one that the group has now. */
function createChecks(options: { readonly clock: Clock; readonly isExecAllowed: boolean }): Checks {
  let running: AsyncDisposable | undefined;
  let content: string | undefined;
  return {
    take: ({ healthCheck: check }, client) => {
      const next = JSON.stringify(check ?? null);
      if (next === content) return;
      content = next;
      void running?.[Symbol.asyncDispose]();
      running = undefined;
      // What was known of it stays until the new check has an answer.
      client.setHealth({ health: check === undefined ? "healthy" : "unknown", reason: "" });
      if (check === undefined) return;
      running = startHealthChecks({
        ...options,
        check,
        onChange: ({ isHealthy, reason = "" }) =>
          client.setHealth({ health: isHealthy ? "healthy" : "unhealthy", reason }),
      });
    },
    close: async () => await running?.[Symbol.asyncDispose](),
  };
}

/** Asked at each beginning: a machine may have another address when it comes back. */
function addressOf({
  registration,
  inbound,
}: {
  readonly registration: RegistrationConfig;
  readonly inbound: readonly { readonly endpoint: HostPort }[];
}): string {
  const address = registration.address ?? inbound[0]?.endpoint.host ?? ownAddress();
  if (address !== undefined) return canonicalIp(address);
  throw new MeshError(
    "MESH_CONFIG_INVALID",
    "Cannot register: this machine has no address but its loopback; set registration.address",
  );
}

function ownAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.map(({ address }) => address).find(isRoutable);
}
