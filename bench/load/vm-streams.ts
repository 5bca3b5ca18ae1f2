/** VMs as an agent meets them: the stream of each one's sidecar and its registration, without the sidecar. */
import { setTimeout as wait } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { NodeSchema } from "../../src/xds/gen/envoy/config/core/v3/base_pb.ts";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { encodeRegisterRequest, registerPath } from "../../src/xds/registering/requests.ts";
import { typeUrls } from "../../src/xds/resource.ts";
import type { AgentProcess } from "./agent-process.ts";
import { type GrpcStream, openGrpcStream } from "./h2-stream.ts";

const port = 8080;
const adsPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
export interface Vm {
  readonly name: string;
  readonly address: string;
  readonly secret: Uint8Array;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
}

/** The Service is `shop/carts`. */
export const vmGroup: string = `apiVersion: v1
kind: Service
metadata: { name: carts, namespace: shop }
spec:
  selector: { app: cart }
  ports: [{ name: http, port: 80, targetPort: ${port} }]
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: carts, namespace: shop }
---
apiVersion: isthmus.dev/v1alpha1
kind: WorkloadGroup
metadata: { name: carts, namespace: shop }
spec:
  serviceAccount: cart
  labels: { app: cart }
  ports: [{ name: http, port: ${port} }]
  healthCheck: { tcp: { port: ${port} } }
`;

export interface VmStreams {
  readonly ads: GrpcStream;
  readonly register: GrpcStream;
}

/** As a launcher does: it registers when its sidecar has its first configuration. */
export async function startVm(vm: Vm, agentPort: number): Promise<VmStreams> {
  const { name, address, tls, secret } = vm;
  const at = { host: "127.0.0.1", port: agentPort, tls, fail };
  const configured = Promise.withResolvers<void>();
  const ads = await openGrpcStream({
    ...at,
    path: adsPath,
    take: (bytes) => {
      const { typeUrl, nonce } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
      ads.send(request({ typeUrl, responseNonce: nonce }));
      if (typeUrl === typeUrls.listener) configured.resolve();
    },
  });
  const end = `${address}:${port}`;
  const metadata = {
    role: "sidecar",
    engine: "embedded",
    namespace: "shop",
    workload: name,
    serviceAccount: "cart",
    capture: "ports",
    upstreams: [],
    inbound: [{ endpoint: end, listen: `${address}:15006`, app: `127.0.0.1:${port}` }],
  };
  const node = create(NodeSchema, { id: `sidecar/shop/${name}/${at.port}`, metadata });
  ads.send(request({ typeUrl: typeUrls.cluster, node }));
  ads.send(request({ typeUrl: typeUrls.listener }));
  await configured.promise;
  const register = await openGrpcStream({ ...at, path: registerPath, take: () => undefined });
  const registration = {
    group: "shop/carts",
    instanceSecret: secret,
    name,
    address,
    zone: "",
    version: "1.0.0",
    health: { health: "healthy", reason: "" },
  } as const;
  register.send(encodeRegisterRequest({ t: "registration", registration }));
  return { ads, register };
}

function request(
  init: Parameters<typeof create<typeof DeltaDiscoveryRequestSchema>>[1],
): Uint8Array {
  return toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, init));
}

function fail(reason: string): void {
  process.stderr.write(`${reason}\n`);
}

/** Resolves when so many are endpoints with a proven sidecar. */
export async function healthyVms(agent: AgentProcess, count: number): Promise<void> {
  for (;;) {
    const { services } = (await agent.json("/api/v1/services")) as {
      readonly services: readonly {
        readonly service: string;
        readonly local?: { readonly proven: number; readonly healthy: number };
      }[];
    };
    const local = services.find(({ service }) => service === "shop/carts")?.local;
    if (local?.healthy === count && local.proven === count) return;
    await wait(20);
  }
}
