import { openAgentChannel } from "../../../dataplane/io/agent-channel.ts";
import type { HostPort } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { SpiffeId } from "../../../mesh/ids.ts";
import type { IdentitySource } from "../../../mesh/ports.ts";
import type { GroupDefinition, GroupId } from "../../../mesh/workload-group.ts";
import { definitionIn } from "../../../xds/registering/definition.ts";
import { describePath } from "../../../xds/registering/requests.ts";
import { encodeDescribeRequest } from "../../../xds/registering/responses.ts";
import { callAgent } from "../agent-call.ts";
import { spiffeIdOf } from "../spiffe-id-of.ts";

/**
 * What the workloads of a group are told; without `group`, of the only one of the caller's service account.
 * Throws MESH_UNREACHABLE and MESH_REGISTRATION_….
 */
export async function describeGroup(options: {
  /** Asked in turn until one answers. */
  readonly agents: readonly HostPort[];
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly group?: GroupId;
}): Promise<GroupDefinition> {
  const { agents, group = "", ...channel } = options;
  let silence: unknown = new RangeError("There is at least one agent");
  for (const agent of agents) {
    const client = openAgentChannel({ ...channel, agent, spiffeIdOf });
    try {
      return await callAgent(
        { agent, client },
        {
          path: describePath,
          encode: encodeDescribeRequest,
          decode: definitionIn,
          request: { group },
          what: "describe group",
        },
      );
    } catch (thrown) {
      silence = thrown;
      if (thrown instanceof MeshError && thrown.code !== "MESH_UNREACHABLE") throw thrown;
    }
  }
  throw silence;
}
