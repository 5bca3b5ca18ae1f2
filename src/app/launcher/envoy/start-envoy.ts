import { proxyZone } from "../../../mesh/locality.ts";
import { homeOf } from "../../../trust/identity.ts";
import type { EngineConfig } from "../../config/config.ts";
import type { EngineParts } from "../engine-port.ts";
import { adminAt } from "./admin.ts";
import { bootstrapFor } from "./bootstrap.ts";
import { EnvoyEngine } from "./envoy-engine.ts";
import { adminSocketIn, prepareFolder } from "./envoy-folder.ts";
import { formatVersion } from "./envoy-version.ts";
import { findEnvoy } from "./find-envoy.ts";
import { checkFree } from "./free-listen.ts";
import { EnvoyLoadReporter } from "./load/envoy-load-reporter.ts";
import { envoyLoadSource } from "./load/envoy-load-source.ts";

// For listeners that change or go while Envoy runs, and for the first part of its own end: callers with
// keep-alive connections are spread over it. A denied member's connections live as long, and are to be gone
// 5 s after the command, of which the way over a hub takes one.
const drainSeconds = 3;

/**
 * Starts the Envoy that this machine has. Throws MESH_ENGINE_… and MESH_LISTEN_FAILED before anything runs; what
 * happens to Envoy later is told in the report.
 */
export async function startEnvoy(config: EngineConfig, parts: EngineParts): Promise<EnvoyEngine> {
  const { id, metadata, zone, identity, agentId, log, clock, random } = parts;
  const folder = config.identity.dir;
  const envoy = await findEnvoy(process.env);
  await checkFree(parts.listens);
  const { member } = homeOf(identity.current().id);
  const agents = [config.agent, ...(config.otherAgents ?? [])];
  const bootstrap = bootstrapFor({
    node: { id, kind: id.split("/").slice(0, -1).join("/"), metadata },
    member,
    zone,
    agents,
    agentId,
  });
  await prepareFolder(folder, { bootstrap, identity: identity.current() });
  log.info({ file: envoy.path, version: formatVersion(envoy.version) }, "Envoy found");
  const { workers, logLevel } = config;
  const admin = adminAt(adminSocketIn(folder));
  const loads = new EnvoyLoadReporter({
    node: { id, metadata },
    source: envoyLoadSource({ admin, ownZone: proxyZone({ member, zone }), log }),
    agents,
    agentId,
    identity,
    clock,
    random,
  });
  return new EnvoyEngine({
    envoy,
    folder,
    loads,
    workers,
    drainSeconds,
    keepsOutbound: metadata["role"] === "sidecar",
    logLevel,
    log,
    clock,
    random,
  });
}
