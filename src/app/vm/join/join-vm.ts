import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { infrastructureSpiffeId, type SpiffeId, spiffePartsOf } from "../../../mesh/ids.ts";
import type { Identity, Log } from "../../../mesh/ports.ts";
import { type GroupDefinition, groupNamespace } from "../../../mesh/workload-group.ts";
import { saveFile } from "../../../trust/io/safe-files.ts";
import type { SidecarConfig } from "../../config/config.ts";
import { loadSidecarConfig } from "../../config/load-config.ts";
import { describeGroup } from "../../launcher/registration/describe-group.ts";
import { isFree, ownAddressTowards } from "./local-ports.ts";
import { planSidecar } from "./sidecar-plan.ts";
import { sidecarText } from "./sidecar-text.ts";
import { type StateFolder, writing } from "./state-folder.ts";
import { vmIdentity } from "./vm-identity.ts";
import type { VmOptions } from "./vm-words.ts";

export interface JoinedVm {
  readonly id: SpiffeId;
  readonly from: "folder" | "token";
  /** As `sidecar.yaml` says now. */
  readonly config: SidecarConfig;
}

/**
 * Makes this machine a workload of the mesh, or finds that it is one: its certificate, and the `sidecar.yaml`
 * that its sidecar runs with. May be run again at any time. Throws MESH_USAGE, MESH_JOIN_…,
 * MESH_REGISTRATION_…, MESH_UNREACHABLE, MESH_TRUST_… and MESH_FILE_….
 */
export async function joinVmFolder(
  options: VmOptions,
  parts: {
    readonly folder: StateFolder;
    readonly nowMs: number;
    readonly log: Log;
    readonly signal: AbortSignal;
  },
): Promise<JoinedVm> {
  const { folder, log } = parts;
  const before = configBefore(folder);
  const agents = options.agents.length > 0 ? options.agents : agentsOf(before);
  const { identity, group, from } = await vmIdentity({ ...options, ...parts, agents });
  const wanted = group ?? options.group ?? before?.registration?.group;
  const definition = await definitionOf({ agents, identity, group: wanted }).catch(
    (thrown: unknown) => {
      // The sidecar finds its agents by itself, and serves what it was told until then.
      const canWait = before !== undefined && from === "folder" && isSilence(thrown);
      if (!canWait) throw thrown;
      log.warn({ reason: reasonOf(thrown) }, "No agent answers: goes on as before");
      return undefined;
    },
  );
  if (definition === undefined && before !== undefined) {
    return { id: identity.id, from, config: before };
  }
  if (definition === undefined) throw new RangeError("What is not there was told above");
  const config = await configFor({ options, agents, identity, definition, before });
  await writing(folder.dir, () => saveFile(folder.sidecarFile, sidecarText(config)));
  return { id: identity.id, from, config: readBack(folder) };
}

function isSilence(thrown: unknown): boolean {
  return thrown instanceof MeshError && thrown.code === "MESH_UNREACHABLE";
}

/** Undefined: there is none, or none that anybody could run. */
function configBefore({ sidecarFile }: StateFolder): SidecarConfig | undefined {
  const parsed = loadSidecarConfig(sidecarFile);
  return parsed.t === "ok" ? parsed.config : undefined;
}

function readBack({ sidecarFile }: StateFolder): SidecarConfig {
  const parsed = loadSidecarConfig(sidecarFile);
  if (parsed.t === "ok") return parsed.config;
  const [first] = parsed.problems;
  throw new MeshError(
    "MESH_CONFIG_INVALID",
    `Cannot use "${sidecarFile}": ${first?.path ?? ""}: ${first?.message ?? "it is wrong"}`,
  );
}

function agentsOf(before: SidecarConfig | undefined): readonly HostPort[] {
  if (before !== undefined) return [before.agent, ...(before.otherAgents ?? [])];
  throw new MeshError("MESH_USAGE", "Cannot join: --agent is missing, and this VM never joined");
}

async function definitionOf(options: {
  readonly agents: readonly HostPort[];
  readonly identity: Identity;
  readonly group: GroupDefinition["id"] | undefined;
}): Promise<GroupDefinition> {
  const { agents, identity, group } = options;
  const { trustDomain } = spiffePartsOf(identity.id);
  return await describeGroup({
    agents,
    agentId: infrastructureSpiffeId(trustDomain, "agent"),
    identity: { current: () => identity, onChange: () => () => undefined },
    ...(group === undefined ? {} : { group }),
  });
}

async function configFor(parts: {
  readonly options: VmOptions;
  readonly agents: readonly HostPort[];
  readonly identity: Identity;
  readonly definition: GroupDefinition;
  readonly before: SidecarConfig | undefined;
}): Promise<Parameters<typeof sidecarText>[0]> {
  const { options, agents, definition, before } = parts;
  const [agent, ...otherAgents] = agents;
  if (agent === undefined) throw new RangeError("There is at least one agent");
  const address = options.address ?? (await ownAddressTowards(agent));
  if (address === undefined) {
    throw new MeshError(
      "MESH_USAGE",
      `Cannot join: this machine finds no way to ${formatHostPort(agent)}, so its own address is unknown; name it with --address`,
    );
  }
  const { dns, allowExec, zone, engine, name } = options;
  const plan = await planSidecar({
    definition,
    address,
    wanted: options.upstreams,
    before: before?.upstreams ?? [],
    withNames: dns !== "off",
    isFree,
  });
  return {
    agent,
    ...(otherAgents.length === 0 ? {} : { otherAgents }),
    workload: name,
    namespace: groupNamespace(definition.id),
    serviceAccount: definition.serviceAccount,
    ...(zone === undefined ? {} : { zone }),
    engine,
    admin: options.admin ?? before?.admin ?? defaultAdmin,
    capture: "ports",
    ...plan,
    registration: { group: definition.id, address, allowExec },
    ...(dns === "off" ? {} : { dns: { listen: dns } }),
  };
}

// As of every sidecar.
const defaultAdmin: HostPort = { host: "127.0.0.1", port: 15_021 };
