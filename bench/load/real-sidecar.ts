/** A sidecar by a real Envoy, with all that its launcher does beside it. */
import type { SidecarConfig } from "../../src/app/config/config.ts";
import { type RunningEngine, startSidecar } from "../../src/app/launcher/engine-launcher.ts";
import { parseNamespace } from "../../src/mesh/ids.ts";
import type { Log } from "../../src/mesh/ports.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Resolves when its listeners are open: then it has every Envoy cluster. The stack ends it. */
export async function startEnvoySidecar(
  of: Pick<SidecarConfig, "agent" | "workload" | "serviceAccount" | "inbound" | "upstreams"> & {
    readonly zone: string;
    /** Its identity's. */
    readonly dir: string;
    readonly opened: AsyncDisposableStack;
  },
): Promise<RunningEngine> {
  const { dir, opened, ...own } = of;
  const sidecar = await startSidecar(
    {
      ...own,
      identity: { dir },
      engine: "envoy",
      workers: 1,
      admin: { host: "127.0.0.1", port: 0 },
      logLevel: "error",
      namespace: parseNamespace("shop"),
      capture: "ports",
    },
    { log },
  );
  opened.use(sidecar);
  await sidecar.whenReady;
  return sidecar;
}

/** How many Envoy clusters it has, its own among them. */
export async function clustersOf(sidecar: RunningEngine): Promise<number> {
  const text = await (await fetch(`${sidecar.adminUrl}/metrics/envoy`)).text();
  const active = /^envoy_cluster_manager_active_clusters(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1];
  return Number(active);
}
