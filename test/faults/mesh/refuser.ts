import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { spiffeIdOf } from "../../../src/app/launcher/spiffe-id-of.ts";
import { openAgentChannel } from "../../../src/dataplane/io/agent-channel.ts";
import { parseSpiffeId } from "../../../src/mesh/ids.ts";
import { loadIdentity } from "../../../src/trust/io/identity-store.ts";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "../../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";

/** Told to a proxy that refuses whatever its agent tells it. */
export type ToRefuser =
  | {
      readonly t: "begin";
      readonly agent: { readonly host: string; readonly port: number };
      readonly agentId: string;
      readonly identityDir: string;
    }
  | { readonly t: "stop" };

export type FromRefuser = { readonly t: "refused" };

const method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const envoyCluster = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const invalidArgument = 3;

process.on("message", (message: ToRefuser) => {
  if (message.t === "begin") void begin(message);
  else process.exit(0);
});
process.on("disconnect", () => process.exit(0));

async function begin(how: Extract<ToRefuser, { t: "begin" }>): Promise<void> {
  const identity = await loadIdentity(how.identityDir);
  const client = openAgentChannel({
    agent: how.agent,
    agentId: parseSpiffeId(how.agentId),
    identity: { current: () => identity, onChange: () => () => true },
    spiffeIdOf,
  });
  const stream = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
    method,
    (bytes) => Buffer.from(bytes),
    (bytes) => bytes,
  );
  const send = (fields: Parameters<typeof create<typeof DeltaDiscoveryRequestSchema>>[1]): void => {
    const request = create(DeltaDiscoveryRequestSchema, fields);
    stream.write(toBinary(DeltaDiscoveryRequestSchema, request));
  };
  stream.on("error", () => process.exit(1));
  stream.on("data", (bytes: Uint8Array) => {
    const { nonce, typeUrl } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    const errorDetail = { code: invalidArgument, message: "this proxy refuses everything" };
    send({ typeUrl, responseNonce: nonce, errorDetail });
    process.send?.({ t: "refused" } satisfies FromRefuser);
  });
  const metadata = { role: "sidecar", engine: "envoy", ...workload, upstreams: [], inbound: [] };
  send({ node: { id: "sidecar/shop/refuser/1", metadata }, typeUrl: envoyCluster });
}

const workload = {
  namespace: "shop",
  workload: "refuser",
  serviceAccount: "caller",
  capture: "ports",
};
