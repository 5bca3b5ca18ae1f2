import { type Client, Metadata } from "@grpc/grpc-js";
import { openAgentChannel } from "../../dataplane/io/agent-channel.ts";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { IdentitySource } from "../../mesh/ports.ts";
import type { RequestSvid, SvidAnswer } from "../../trust/io/renewal.ts";
import {
  decodeRenewResponse,
  encodeRenewRequest,
  type RenewRequest,
  type RenewResponse,
  renewPath,
} from "../../xds/renewal.ts";
import { spiffeIdOf } from "./spiffe-id-of.ts";

// Signing takes a millisecond; an agent that needs longer is gone.
const timeoutMs = 10_000;

/**
 * Asks the agent for the next SVID, with the present one as proof. A connection for each call: it is
 * made twice a day. Throws MESH_UNREACHABLE and MESH_TRUST_ISSUE_REFUSED.
 */
export function renewFrom(options: {
  readonly agent: HostPort;
  readonly otherAgents?: readonly HostPort[];
  /** Only this identity may issue. */
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
}): RequestSvid {
  return async (csrDer) => {
    const others = options.otherAgents ?? [];
    for (const [turn, agent] of [options.agent, ...others].entries()) {
      try {
        return await askAt({ ...options, agent }, csrDer);
      } catch (thrown) {
        const isSilent = thrown instanceof MeshError && thrown.code === "MESH_UNREACHABLE";
        // A refusal is an answer; and the last one's silence is told.
        if (!isSilent || turn === others.length) throw thrown;
      }
    }
    throw new RangeError("There is at least one agent");
  };
}

async function askAt(
  options: Parameters<typeof renewFrom>[0],
  csrDer: Uint8Array,
): Promise<SvidAnswer> {
  const client = openAgentChannel({ ...options, spiffeIdOf });
  try {
    return await ask(client, csrDer);
  } catch (cause) {
    const isRefused = cause instanceof Error && "code" in cause && refusals.has(Number(cause.code));
    throw new MeshError(
      isRefused ? "MESH_TRUST_ISSUE_REFUSED" : "MESH_UNREACHABLE",
      `Cannot renew at agent ${formatHostPort(options.agent)}: ${reasonOf(cause)}`,
      { cause },
    );
  } finally {
    client.close();
  }
}

// INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED
const refusals: ReadonlySet<number> = new Set([3, 7, 16]);

function ask(client: Client, csrDer: Uint8Array): Promise<SvidAnswer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<RenewRequest, RenewResponse>(
      renewPath,
      encodeRenewRequest,
      decodeRenewResponse,
      { csr: csrDer },
      new Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        if (error !== null) reject(error);
        else if (response === undefined) reject(new Error("the answer is empty"));
        else resolve({ chainDer: response.chain, bundleDer: response.bundle });
      },
    );
  });
}
