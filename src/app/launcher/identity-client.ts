import {
  type AgentChannelOptions,
  openAgentChannel,
  type UnprovenChannelOptions,
} from "../../dataplane/io/agent-channel.ts";
import type { HostPort } from "../../mesh/address.ts";
import { type ErrorCode, MeshError } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { IdentitySource } from "../../mesh/ports.ts";
import type { RequestSvid, SvidAnswer } from "../../trust/io/renewal.ts";
import {
  encodeIssueRequest,
  type IdentityProof,
  type IssueRequest,
  issuePath,
} from "../../xds/issuing.ts";
import {
  decodeRenewResponse,
  encodeRenewRequest,
  type RenewRequest,
  type RenewResponse,
  renewPath,
} from "../../xds/renewal.ts";
import { type AgentCall, callAgent } from "./agent-call.ts";
import { spiffeIdOf } from "./spiffe-id-of.ts";

/** Who may issue, and where. */
export interface IdentityAgents {
  readonly agent: HostPort;
  readonly otherAgents?: readonly HostPort[];
  /** Only this identity may issue. */
  readonly agentId: SpiffeId;
}

/**
 * Asks the agent for the next SVID, with the present one as proof. A connection for each call: it is
 * made twice a day. Throws MESH_UNREACHABLE and what the agent refuses with.
 */
export function renewFrom(
  options: IdentityAgents & { readonly identity: IdentitySource },
): RequestSvid {
  return (csr) =>
    inTurn(options, (agent) =>
      ask<RenewRequest>({ ...options, agent }, { ...renewCall, request: { csr } }),
    );
}

/**
 * Asks the agent for an SVID with something else as proof, both read at each call. Throws as `renewFrom`, and
 * what `read` throws.
 */
export function issueFrom(
  options: IdentityAgents & {
    readonly read: () => Promise<{ readonly proof: IdentityProof; readonly bundlePem: string }>;
  },
): RequestSvid {
  return async (csr) => {
    const { proof, bundlePem } = await options.read();
    const { agentId } = options;
    return await inTurn(options, (agent) =>
      ask<IssueRequest>(
        { agent, agentId, identity: { bundlePem } },
        { ...issueCall, request: { csr, proof } },
      ),
    );
  };
}

// What another agent of the member may answer better.
const worthAnother: ReadonlySet<ErrorCode> = new Set([
  "MESH_UNREACHABLE",
  "MESH_TOKEN_UNPROVEN",
  "MESH_XDS_LIMIT",
  "MESH_INTERNAL",
]);

async function inTurn(
  { agent, otherAgents = [] }: IdentityAgents,
  askAt: (agent: HostPort) => Promise<SvidAnswer>,
): Promise<SvidAnswer> {
  for (const [turn, each] of [agent, ...otherAgents].entries()) {
    try {
      return await askAt(each);
    } catch (thrown) {
      const isWorth = thrown instanceof MeshError && worthAnother.has(thrown.code);
      // A refusal is an answer; and the last one's silence is told.
      if (!isWorth || turn === otherAgents.length) throw thrown;
    }
  }
  throw new RangeError("There is at least one agent");
}

type Call<Request> = Omit<AgentCall<Request, RenewResponse>, "decode" | "what">;

const renewCall = { path: renewPath, encode: encodeRenewRequest };
const issueCall = { path: issuePath, encode: encodeIssueRequest };

type Channel = Omit<AgentChannelOptions, "spiffeIdOf"> | Omit<UnprovenChannelOptions, "spiffeIdOf">;

async function ask<Request>(channel: Channel, call: Call<Request>): Promise<SvidAnswer> {
  const { agent } = channel;
  const client = openAgentChannel({ ...channel, spiffeIdOf });
  const { chain, bundle, renewPhase } = await callAgent(
    { agent, client },
    { ...call, decode: decodeRenewResponse, what: "get an SVID" },
  );
  const answer = { chainDer: chain, bundleDer: bundle };
  return renewPhase === undefined ? answer : { ...answer, renewPhase };
}
