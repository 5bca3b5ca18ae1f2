// A golden case: the state of one member in JSON, and what its proxies are told.
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { MeshService } from "../../src/discovery/mesh-service.ts";
import { defaultMaxClientHelloBytes } from "../../src/gateway/door/listener.ts";
import { MemberResources } from "../../src/gateway/sets/member-resources.ts";
import type { SpiffeId, TrustDomain } from "../../src/mesh/ids.ts";
import { parseMeshDomain } from "../../src/mesh/ids.ts";
import type { ProxyNode } from "../../src/proxy/node.ts";
import { parseNode } from "../../src/proxy/node.ts";
import { defaultProxySettings } from "../../src/proxy/settings.ts";
import type { TrustView } from "../../src/proxy/trust-view.ts";
import type { Viewer } from "../../src/proxy/viewer.ts";
import type { XdsType } from "../../src/xds/resource.ts";

export interface GoldenCase {
  readonly name: string;
  /** The rule that the case holds still. */
  readonly rule: string;
  readonly shows: readonly XdsType[];
  readonly viewer: Omit<Viewer, "callers"> & {
    readonly callers?: Readonly<Record<string, number>>;
  };
  readonly trust: Omit<TrustView, "bundlePem">;
  readonly nodes: readonly {
    readonly id: string;
    readonly peer: SpiffeId;
    readonly metadata: object;
  }[];
  readonly services: readonly MeshService[];
}

const folder = join(import.meta.dirname, "../golden/cases");

export function goldenCases(): GoldenCase[] {
  const files = globSync("*.json", { cwd: folder }).sort();
  return files.map((file) => {
    const state = JSON.parse(readFileSync(join(folder, file), "utf8")) as Omit<GoldenCase, "name">;
    return { name: basename(file, ".json"), ...state };
  });
}

/** What a member in that state tells its proxies. Callers are opened as that many idle sidecars. */
export function resourcesOf(golden: GoldenCase, bundlePem: string): MemberResources {
  const { member, cloud, region, network } = golden.viewer;
  const resources = new MemberResources({
    place: { member, cloud, region, network },
    gateway: {
      member,
      mesh: parseMeshDomain("acme.mesh"),
      maxClientHelloBytes: defaultMaxClientHelloBytes,
    },
    settings: defaultProxySettings,
    trust: { ...golden.trust, bundlePem },
  });
  for (const service of golden.services) resources.update(service.id, service);
  for (const caller of idleCallers(golden)) resources.open(caller);
  if (golden.viewer.callers !== undefined) resources.refreshCallers();
  return resources;
}

function idleCallers(golden: GoldenCase): ProxyNode[] {
  const counts = Object.entries(golden.viewer.callers ?? {});
  const template = nodesOf(golden).find((node) => node.t === "sidecar");
  if (template === undefined) return [];
  return counts.flatMap(([zone, count]) =>
    Array.from({ length: count }, (_, index) => {
      return {
        ...template,
        id: `sidecar/shop/idle-${zone}/${index}`,
        zone,
        inbound: [],
        upstreams: [],
      };
    }),
  );
}

/** The nodes of the case, in the viewer's zone. */
export function nodesOf(golden: GoldenCase): ProxyNode[] {
  return golden.nodes.map(({ id, peer, metadata }) => {
    const zone = golden.viewer.zone;
    const ownTrustDomain: TrustDomain = golden.trust.ownTrustDomain;
    const input = { id, metadata: { ...metadata, zone }, zone };
    const verdict = parseNode(input, { peer, ownTrustDomain });
    if (verdict.t === "refused") throw new Error(verdict.reason);
    return verdict.node;
  });
}
