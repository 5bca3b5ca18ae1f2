import type { EngineConfig } from "../config/config.ts";
import { startEmbedded } from "./embedded-engine.ts";
import type { EngineParts, LaunchedEngine } from "./engine-port.ts";
import { startEnvoy } from "./envoy/start-envoy.ts";

/** The agent tells both kinds the same; the configuration says which one runs. Throws as `startEnvoy`. */
export async function startEngine(
  config: EngineConfig,
  parts: EngineParts,
): Promise<LaunchedEngine> {
  switch (config.engine) {
    case "embedded": {
      const { workers, agent, otherAgents = [] } = config;
      const { id, metadata, zone: _zone, listens: _listens, ...rest } = parts;
      return startEmbedded(workers, { ...rest, node: { id, metadata }, agent, otherAgents });
    }
    case "envoy":
      return startEnvoy(config, parts);
  }
}
