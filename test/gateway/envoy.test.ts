import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { parseSpiffeId } from "../../src/mesh/ids.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import type { ProxyNode } from "../../src/proxy/node.ts";
import { valueOf } from "../../src/xds/encode.ts";
import type { ClusterLoadAssignment } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import type { Resource } from "../../src/xds/resource.ts";
import { freePorts } from "../app/support/free-port.ts";
import { type MadeMesh, madeMesh } from "../trust/made.ts";
import { goldenCases, nodesOf, resourcesOf } from "./golden-state.ts";
import { identityOf } from "./identities.ts";
import { type RealEnvoy, skipWithoutEnvoy, startEnvoy, until } from "./real-envoy.ts";
import { toldIn } from "./told.ts";

type EnvoyNode = Exclude<ProxyNode, { readonly t: "grpc" }>;

suite("a real Envoy accepts every golden case", { skip: skipWithoutEnvoy }, () => {
  let mesh: MadeMesh;
  let envoys: Readonly<Record<EnvoyNode["t"], RealEnvoy>>;

  before(async () => {
    mesh = await madeMesh(Date.now());
    const eastern = (path: string): Promise<Identity> =>
      identityOf(mesh, { issuer: mesh.east, id: parseSpiffeId(`spiffe://east.acme.mesh/${path}`) });
    envoys = {
      sidecar: await startEnvoy("sidecar/golden", await eastern("ns/shop/sa/frontend")),
      gateway: await startEnvoy("gateway/golden", await eastern("isthmus/gateway")),
    };
  });
  after(async () => {
    await envoys.sidecar[Symbol.asyncDispose]();
    await envoys.gateway[Symbol.asyncDispose]();
  });

  for (const golden of goldenCases()) {
    test(golden.name, async () => {
      const resources = resourcesOf(golden, mesh.bundle.pem);
      for (const node of nodesOf(golden)) {
        if (node.t === "grpc") continue;
        const { view } = resources.open(await onFreePorts(node));
        const told = toldIn(view);
        assert.deepEqual(await envoys[node.t].hold(told), []);
        await assertUsed(envoys[node.t], told);
      }
    });
  }
});

/** Accepted is not yet in use: what was told must have left the state "warming", the rest be gone. */
async function assertUsed(envoy: RealEnvoy, told: readonly Resource[]): Promise<void> {
  const wanted = told.filter(({ type }) => type === "cluster" || type === "listener");
  const names = wanted.map(({ name }) => name).sort();
  await until(async () => isDeepStrictEqual(await usedNames(envoy), names));
  const assignments = told.filter(({ type }) => type === "endpoint");
  const hosts = assignments.flatMap((one) =>
    hostsTold(fromBinary(ClusterLoadAssignmentSchema, valueOf(one))),
  );
  assert.deepEqual(await hostsUsed(envoy), hosts.sort());
}

async function usedNames(envoy: RealEnvoy): Promise<string[]> {
  const listeners = await envoy.admin<{ listener_statuses?: { name: string }[] }>(
    "/listeners?format=json",
  );
  const used = [...(await clustersOf(envoy)), ...(listeners.listener_statuses ?? [])];
  return used.map(({ name }) => name).sort();
}

interface ClusterStatus {
  readonly name: string;
  readonly host_statuses?: readonly {
    readonly address: {
      readonly socket_address: { readonly address: string; readonly port_value: number };
    };
    readonly health_status: { readonly eds_health_status?: string };
    readonly weight: number;
    readonly priority?: number;
    readonly locality: { readonly zone?: string };
  }[];
}

async function clustersOf(envoy: RealEnvoy): Promise<readonly ClusterStatus[]> {
  const status = await envoy.admin<{ cluster_statuses: ClusterStatus[] }>("/clusters?format=json");
  return status.cluster_statuses.filter(({ name }) => name !== "xds");
}

/** One line per host, as Envoy counts them. */
async function hostsUsed(envoy: RealEnvoy): Promise<string[]> {
  const clusters = (await clustersOf(envoy)).filter(({ name }) => name.startsWith("outbound"));
  const lines = clusters.flatMap(({ name, host_statuses = [] }) =>
    host_statuses.map((host) => {
      const { address, port_value: port } = host.address.socket_address;
      const health = host.health_status.eds_health_status ?? "UNKNOWN";
      return [
        name,
        host.priority ?? 0,
        host.locality.zone,
        address,
        port,
        health,
        host.weight,
      ].join(" ");
    }),
  );
  return lines.sort();
}

function hostsTold(assignment: ClusterLoadAssignment): string[] {
  return assignment.endpoints.flatMap(({ priority, locality, lbEndpoints }) =>
    lbEndpoints.map((host) => {
      const endpoint =
        host.hostIdentifier.case === "endpoint" ? host.hostIdentifier.value : undefined;
      const at =
        endpoint?.address?.address.case === "socketAddress"
          ? endpoint.address.address.value
          : undefined;
      const health = ["UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING"][host.healthStatus];
      const place = [assignment.clusterName, priority, locality?.zone];
      return [
        ...place,
        at?.address,
        at?.portSpecifier.value,
        health,
        host.loadBalancingWeight,
      ].join(" ");
    }),
  );
}

/** The cases say real ports, which may be taken here. Envoy takes 0 for any. */
async function onFreePorts(node: EnvoyNode): Promise<EnvoyNode> {
  if (node.t === "gateway") return { ...node, listen: { ...node.listen, port: 0 } };
  const free = <Entry extends { listen: { host: string; port: number } }>(entry: Entry): Entry => ({
    ...entry,
    listen: { ...entry.listen, port: 0 },
  });
  const entries = { upstreams: node.upstreams.map(free), inbound: node.inbound.map(free) };
  if (node.capture === undefined) return { ...node, ...entries };
  // These two stand in rules that look at them, too.
  const [outboundPort = 0, inboundPort = 0] = await freePorts(2);
  return { ...node, ...entries, capture: { ...node.capture, outboundPort, inboundPort } };
}
