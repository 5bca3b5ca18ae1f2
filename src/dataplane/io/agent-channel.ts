import { type ChannelOptions, Client, credentials } from "@grpc/grpc-js";
import { formatHostPort, type HostPort, isIp } from "../../mesh/address.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { IdentitySource } from "../../mesh/ports.ts";
import type { SpiffeIdOf } from "./tls-contexts.ts";
import { secureContextFor, unprovenContext, untrustingContext } from "./tls-contexts.ts";

export interface AgentChannelOptions {
  readonly agent: HostPort;
  /** One of these, or whoever answers is refused, whatever root vouches for it. */
  readonly agentId: SpiffeId | ReadonlySet<SpiffeId>;
  readonly identity: IdentitySource;
  readonly spiffeIdOf: SpiffeIdOf;
}

/** For a caller that has no identity yet: the roots that it was given. */
export interface UnprovenChannelOptions extends Omit<AgentChannelOptions, "identity"> {
  readonly identity: { readonly bundlePem: string };
}

/** A gRPC client of the agent, on a connection of its own with the identity that counts now. */
export function openAgentChannel(
  options: AgentChannelOptions | UnprovenChannelOptions,
  channelOptions: ChannelOptions = {},
): Client {
  return new Client(targetOf(options.agent), channelCredentials(options), {
    ...channelDefaults,
    ...channelOptions,
  });
}

/**
 * A gRPC client that believes whoever answers: for what is public and judged by itself. Nothing secret may be
 * sent over it.
 */
export function openUntrustedChannel(agent: HostPort): Client {
  const context = untrustingContext();
  // Node checks no names where it does not reject.
  const believing = credentials.createFromSecureContext(context, { rejectUnauthorized: false });
  return new Client(targetOf(agent), believing, channelDefaults);
}

const channelDefaults: ChannelOptions = {
  // SNI and the name that Node compares, though the SPIFFE ID alone decides.
  "grpc.ssl_target_name_override": "agent",
  "grpc.use_local_subchannel_pool": 1,
};

function targetOf(agent: HostPort): string {
  if (!isIp(agent.host)) return `dns:${formatHostPort(agent)}`;
  return `${agent.host.includes(":") ? "ipv6" : "ipv4"}:${formatHostPort(agent)}`;
}

function channelCredentials({
  identity,
  agentId,
  spiffeIdOf,
}: AgentChannelOptions | UnprovenChannelOptions): ReturnType<
  typeof credentials.createFromSecureContext
> {
  const context =
    "bundlePem" in identity
      ? unprovenContext(identity.bundlePem)
      : secureContextFor(identity, identity.current().bundlePem);
  return credentials.createFromSecureContext(context, {
    checkServerIdentity: (_host, certificate) => {
      const id = spiffeIdOf(certificate.raw);
      const isWanted =
        typeof agentId === "string" ? id === agentId : id !== undefined && agentId.has(id);
      const wanted = typeof agentId === "string" ? agentId : "an agent of this mesh";
      return isWanted ? undefined : new Error(`the agent is ${id ?? "nobody"}, not ${wanted}`);
    },
  });
}
