import { parseDocument } from "yaml";
import { shopCalls } from "../../../examples/shop/app.ts";
import { relocate } from "../../discovery/sources/manifests/relocate.ts";
import { splitDocuments } from "../../discovery/sources/yaml/yaml-documents.ts";
import type { HostPort } from "../../mesh/address.ts";
import { nameOf, parseNamespace, parseServiceId, type ServiceId } from "../../mesh/ids.ts";
import { hostOf } from "../../mesh/names.ts";
import type { EngineKind, SidecarConfig } from "../config/config.ts";
import type { DemoMember } from "./demo-members.ts";
import type { LoadPart, WorkloadPart } from "./part-messages.ts";

/** One member on this machine: its files with local addresses, and who runs at them. */
export interface SitePlan {
  readonly member: DemoMember;
  /** By file name. */
  readonly files: ReadonlyMap<string, string>;
  readonly workloads: readonly WorkloadPart[];
  readonly xds: HostPort;
  readonly http: HostPort;
  readonly engine: EngineKind;
  /** How often launchers ask whether to renew early. */
  readonly checkEveryMs: number;
  /** Where the gateway listens, and where other members reach it: the far end of the wide-area link. */
  readonly gateway: HostPort;
  readonly gatewayDoor: HostPort;
}

export interface SiteSurroundings {
  /** Folder of the member's trust material and state. */
  readonly dir: string;
  /** The example's YAML by file name. */
  readonly files: ReadonlyMap<string, string>;
  /** Gives a port that nobody else got. */
  readonly takePort: () => number;
  readonly httpPort?: number;
  /** Of sidecars and gateway. */
  readonly engine: EngineKind;
  readonly checkEveryMs: number;
}

const namespace = parseNamespace("shop");
const servicePort = 80;
/** Who the steady traffic comes from; it stays alive when a member's other workloads crash. */
export const callerService = "frontend";
/** What callers ask for besides the service that moves: the VM site's, always in another member. */
const farService = "inventory";

export function planSite(member: DemoMember, around: SiteSurroundings): SitePlan {
  const local = (): HostPort => ({ host: "127.0.0.1", port: around.takePort() });
  const xds = local();
  const found = new Map<string, Pick<WorkloadPlan, "service" | "name" | "zone" | "at">>();
  const files = new Map<string, string>();
  for (const [file, text] of around.files) {
    const moved = relocate(text, ({ service, workload, zone }) => {
      // Asked once for the port and once for its health probe: both are the same door here.
      const known = found.get(workload);
      const at = known?.at ?? local();
      found.set(workload, { service: parseServiceId(service), name: workload, zone, at });
      return { address: at.host, port: at.port };
    });
    files.set(file, moved);
  }
  const { engine, checkEveryMs } = around;
  const agent = { xds, dir: around.dir, member, engine, checkEveryMs };
  return {
    member,
    files,
    workloads: [...found.values()].map((workload) => planWorkload({ ...workload, agent, local })),
    xds,
    http: { host: "127.0.0.1", port: around.httpPort ?? around.takePort() },
    engine,
    checkEveryMs,
    gateway: local(),
    gatewayDoor: local(),
  };
}

interface WorkloadPlan {
  readonly service: ServiceId;
  readonly name: string;
  readonly zone: string;
  readonly at: HostPort;
  readonly agent: Pick<SiteSurroundings, "dir" | "engine" | "checkEveryMs"> & {
    readonly xds: HostPort;
    readonly member: DemoMember;
  };
  readonly local: () => HostPort;
}

function planWorkload(plan: WorkloadPlan): WorkloadPart {
  const service = nameOf(plan.service);
  const extra = service === callerService ? [farService] : [];
  const called = [...(shopCalls[service] ?? []), ...extra];
  const upstreams = called.map((name) => ({
    service: parseServiceId(`${namespace}/${name}`),
    port: servicePort,
    listen: plan.local(),
  }));
  const sidecar: SidecarConfig = {
    agent: plan.agent.xds,
    identity: {
      dir: `${plan.agent.dir}/identity/${plan.name}`,
      checkEveryMs: plan.agent.checkEveryMs,
    },
    engine: plan.agent.engine,
    workers: 1,
    admin: { host: "127.0.0.1", port: 0 },
    logLevel: "info",
    workload: plan.name,
    namespace,
    serviceAccount: service,
    ...(plan.zone === "" ? {} : { zone: plan.zone }),
    capture: "ports",
    upstreams,
    inbound: [{ endpoint: plan.at, listen: plan.local(), app: plan.at }],
  };
  const urls = upstreams.map(({ service: id, listen }) => [
    nameOf(id),
    `http://${listen.host}:${listen.port}/`,
  ]);
  return {
    service,
    workload: plan.name,
    listen: plan.at,
    upstreams: Object.fromEntries(urls) as Record<string, string>,
    sidecar,
  };
}

/** The steady traffic of a site's callers. */
export function loadsOf(site: SitePlan, shown: string): readonly LoadPart[] {
  const caller = site.workloads.find(({ service }) => service === callerService);
  const load = (
    service: string,
    size: { readonly lanes: number; readonly intervalMs: number },
  ): readonly LoadPart[] => {
    const upstream = caller?.sidecar.upstreams.find((each) => nameOf(each.service) === service);
    if (upstream === undefined) return [];
    const host = hostOf({ service: upstream.service, suffix: "svc.cluster.local" });
    return [
      { caller: site.member.name, service, target: upstream.listen, host, path: "/", ...size },
    ];
  };
  return [
    ...load(shown, { lanes: 6, intervalMs: 60 }),
    ...load(farService, { lanes: 1, intervalMs: 100 }),
  ];
}

/** The text of a file in which all endpoints of one service finish what they have, or serve again. */
export function withDraining(
  text: string,
  change: { readonly service: string; readonly isOn: boolean },
): string {
  const conditions = { ready: !change.isOn, serving: true, terminating: change.isOn };
  const parts = splitDocuments(text).map((part) => {
    const document = parseDocument(part.text);
    const owner: unknown = document.getIn(["metadata", "labels", "kubernetes.io/service-name"]);
    if (owner !== change.service) return part.text;
    const { endpoints } = document.toJS() as { readonly endpoints: readonly unknown[] };
    for (const index of endpoints.keys())
      document.setIn(["endpoints", index, "conditions"], conditions);
    return String(document);
  });
  return parts.map((part) => `${part.trim()}\n`).join("---\n");
}
