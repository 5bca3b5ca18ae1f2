import {
  type ApiAccess,
  type KubeConnection,
  openKubeConnection,
} from "../../../discovery/io/kubernetes/api-access.ts";
import {
  type KubernetesSource,
  kubernetesSource,
} from "../../../discovery/io/kubernetes/kubernetes-source.ts";
import { filesSource } from "../../../discovery/io/sources/files-source.ts";
import { withHealthProbes } from "../../../discovery/io/sources/health-prober.ts";
import type { WorkloadSource } from "../../../discovery/source.ts";
import type { Clock, Random } from "../../../mesh/ports.ts";
import type { KubernetesSourceConfig, SourceConfig } from "../../config/config.ts";

/** One cluster that is a source: what it is known to hold, and how it is spoken to. */
export interface OpenedCluster {
  readonly source: KubernetesSource;
  readonly connection: KubeConnection;
}

/** The sources of an agent, not started. Disposing closes connections, not the sources. */
export interface OpenedSources extends AsyncDisposable {
  readonly all: readonly WorkloadSource[];
  readonly clusters: readonly OpenedCluster[];
}

/** Throws MESH_CONFIG_INVALID and MESH_FILE_UNREADABLE where a kubeconfig says nothing of use. */
export async function openSources(
  configs: readonly SourceConfig[],
  options: { readonly clock: Clock; readonly random: Random },
): Promise<OpenedSources> {
  await using opened = new AsyncDisposableStack();
  const all: WorkloadSource[] = [];
  const clusters: OpenedCluster[] = [];
  const readsGroups = configs.some(({ t }) => t === "registration");
  for (const config of configs) {
    // Workloads that register stand behind the services of all the others.
    if (config.t === "registration") continue;
    if (config.t === "files") {
      all.push(withHealthProbes(filesSource({ folder: config.dir }), options));
      continue;
    }
    const connection = opened.use(await openKubeConnection(accessOf(config), options));
    const { namespaces } = config;
    const source = kubernetesSource({
      context: connection.context,
      open: connection.open,
      readsGroups,
      ...(namespaces === undefined ? {} : { namespaces }),
      ...options,
    });
    all.push(withHealthProbes(source, options));
    clusters.push({ source, connection });
  }
  const owned = opened.move();
  return { all, clusters, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function accessOf({ kubeconfig, context }: KubernetesSourceConfig): ApiAccess {
  if (kubeconfig === undefined) return { t: "in-cluster" };
  return { t: "kubeconfig", path: kubeconfig, ...(context === undefined ? {} : { context }) };
}
