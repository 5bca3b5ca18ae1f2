import { openUntrustedChannel } from "../../dataplane/io/agent-channel.ts";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { MeshError } from "../../mesh/errors.ts";
import { infrastructureSpiffeId, type SpiffeId, type TrustDomain } from "../../mesh/ids.ts";
import { type Certificate, parseCertificate } from "../../trust/certificate.ts";
import { type JoinToken } from "../../trust/join/join-token.ts";
import { toPem } from "../../trust/pem.ts";
import { bundlePath, decodeBundleResponse } from "../../xds/joining.ts";
import { callAgent } from "../launcher/agent-call.ts";

/** An agent that a newcomer may show its token to. */
export interface PinnedAgent {
  readonly agent: HostPort;
  /** Only this identity may answer: the agent of the member that made the token. */
  readonly agentId: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** The one root that the token names: the others of the mesh come with the certificate. */
  readonly bundlePem: string;
}

/**
 * Asks whoever answers at the address which roots it trusts, and takes the one whose digest the token has.
 * Nothing secret is sent, and nothing but that root is believed: whoever uses the result has to connect again,
 * under that root and to the identity that the token names, which is what `openAgentChannel` does with it.
 * Throws MESH_UNREACHABLE and MESH_JOIN_ROOT_MISMATCH.
 */
export async function pinnedAgent(
  agent: HostPort,
  options: {
    readonly token: Pick<JoinToken, "rootSpkiSha256" | "trustDomain">;
    readonly signal?: AbortSignal;
  },
): Promise<PinnedAgent> {
  const { token, signal } = options;
  const answer = await callAgent(
    { agent, client: openUntrustedChannel(agent) },
    {
      path: bundlePath,
      encode: () => Buffer.alloc(0),
      decode: decodeBundleResponse,
      request: {},
      what: "get the roots",
      ...(signal === undefined ? {} : { signal }),
    },
  );
  const root = answer.bundle
    .slice(0, maxRoots)
    .map(certificateIn)
    .find((one) => one?.spkiSha256 === token.rootSpkiSha256);
  if (root === undefined) {
    return mismatch(agent, `no root it trusts has the digest ${token.rootSpkiSha256} of the token`);
  }
  const { trustDomain } = token;
  const agentId = infrastructureSpiffeId(trustDomain, "agent");
  // It would fail to prove that anyway; so it is told why.
  if (answer.agentId !== agentId) {
    const said = JSON.stringify(answer.agentId.slice(0, 200));
    return mismatch(agent, `it says that it is ${said}, and the token is ${agentId}'s`);
  }
  return { agent, agentId, trustDomain, bundlePem: toPem("CERTIFICATE", root.der) };
}

// As a bundle has at most.
const maxRoots = 16;

/** One that cannot be read is not the one that is looked for. */
function certificateIn(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch {
    return undefined;
  }
}

function mismatch(agent: HostPort, truth: string): never {
  throw new MeshError(
    "MESH_JOIN_ROOT_MISMATCH",
    `Cannot trust agent ${formatHostPort(agent)}: ${truth}`,
  );
}
