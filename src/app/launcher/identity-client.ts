import { type Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  type AgentChannelOptions,
  openAgentChannel,
  type UnprovenChannelOptions,
} from "../../dataplane/io/agent-channel.ts";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { type ErrorCode, errorCodes, MeshError, reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { IdentitySource } from "../../mesh/ports.ts";
import type { RequestSvid, SvidAnswer } from "../../trust/io/renewal.ts";
import {
  codeTrailer,
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
import { spiffeIdOf } from "./spiffe-id-of.ts";

/** Who may issue, and where. */
export interface IdentityAgents {
  readonly agent: HostPort;
  readonly otherAgents?: readonly HostPort[];
  /** Only this identity may issue. */
  readonly agentId: SpiffeId;
}

// Signing takes a millisecond; an agent that needs longer is gone.
const timeoutMs = 10_000;

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

interface Call<Request> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly request: Request;
}

const renewCall = { path: renewPath, encode: encodeRenewRequest };
const issueCall = { path: issuePath, encode: encodeIssueRequest };

type Channel = Omit<AgentChannelOptions, "spiffeIdOf"> | Omit<UnprovenChannelOptions, "spiffeIdOf">;

async function ask<Request>(channel: Channel, call: Call<Request>): Promise<SvidAnswer> {
  const client = openAgentChannel({ ...channel, spiffeIdOf });
  try {
    const { chain, bundle } = await answerTo(client, call);
    return { chainDer: chain, bundleDer: bundle };
  } catch (cause) {
    const where = formatHostPort(channel.agent);
    throw new MeshError(codeIn(cause), `Cannot get an SVID at agent ${where}: ${reasonOf(cause)}`, {
      cause,
    });
  } finally {
    client.close();
  }
}

function answerTo<Request>(client: Client, call: Call<Request>): Promise<RenewResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<Request, RenewResponse>(
      call.path,
      call.encode,
      decodeRenewResponse,
      call.request,
      new Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        if (error !== null) reject(error);
        else if (response === undefined) reject(new Error("the answer is empty"));
        else resolve(response);
      },
    );
  });
}

/** The agent's own code; whatever answers without one is no agent of this version. */
function codeIn(cause: unknown): ErrorCode {
  const metadata = isServiceError(cause) ? cause.metadata.get(codeTrailer) : [];
  return errorCodes.find((code) => code === metadata[0]) ?? "MESH_UNREACHABLE";
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && "metadata" in thrown && thrown.metadata instanceof Metadata;
}
