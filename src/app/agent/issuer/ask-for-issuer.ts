import { openAgentChannel } from "../../../dataplane/io/agent-channel.ts";
import type { HostPort } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { SpiffeId } from "../../../mesh/ids.ts";
import type { IdentitySource } from "../../../mesh/ports.ts";
import {
  decodeJoinMemberResponse,
  encodeJoinMemberRequest,
  type JoinMemberResponse,
  joinMemberPath,
} from "../../../xds/joining.ts";
import { callAgent } from "../../launcher/agent-call.ts";
import { spiffeIdOf } from "../../launcher/spiffe-id-of.ts";

/** Certifies the key of a CSR as the next issuer of the member that asks. */
export type RequestIssuer = (csr: Uint8Array) => Promise<JoinMemberResponse>;

/**
 * Asks agents that may use the root, one after the other, with the agent's own SVID as proof of the member. Throws
 * the first refusal, and when nobody answers why the last one did not.
 */
export function issuerFrom(options: {
  readonly agents: readonly HostPort[];
  readonly identity: IdentitySource;
  /** Agents of the members that the charter has: whoever else answers is refused. */
  readonly agentIds: () => ReadonlySet<SpiffeId>;
}): RequestIssuer {
  const { agents, identity, agentIds } = options;
  return async (csr) => {
    const failures: MeshError[] = [];
    for (const agent of agents) {
      const client = openAgentChannel({ agent, agentId: agentIds(), identity, spiffeIdOf });
      try {
        return await callAgent(
          { agent, client },
          {
            path: joinMemberPath,
            encode: encodeJoinMemberRequest,
            decode: decodeJoinMemberResponse,
            request: { csr, token: undefined, member: "" },
            what: "get the next issuer",
          },
        );
      } catch (thrown) {
        if (!(thrown instanceof MeshError)) throw thrown;
        failures.push(thrown);
      }
    }
    // Somebody's word says more than another's silence.
    const word = failures.find(({ code }) => code !== "MESH_UNREACHABLE");
    throw (
      word ??
      failures.at(-1) ??
      new MeshError("MESH_USAGE", "Cannot renew the issuer: trust.renewAt is empty")
    );
  };
}
