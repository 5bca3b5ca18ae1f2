import { resolve } from "node:path";
import type { HostPort } from "../../../mesh/address.ts";
import { loadSidecarConfig } from "../../config/load-config.ts";
import type { Diagnosis } from "./diagnosis.ts";
import { lookAtAgent } from "./look-at-agent.ts";
import { lookAtApplication } from "./look-at-application.ts";
import { lookAtCertificate, lookAtFiles } from "./look-at-files.ts";
import { lookAtNames } from "./look-at-names.ts";
import { lookAtSidecar } from "./look-at-sidecar.ts";

/**
 * Looks at all that a VM needs, changes nothing. Before a VM has joined, `agents` are looked at alone. Never
 * rejects for what it finds.
 */
export async function diagnoseVm(options: {
  readonly dir: string;
  /** Empty: those of `sidecar.yaml`. */
  readonly agents: readonly HostPort[];
  readonly nowMs: number;
}): Promise<readonly Diagnosis[]> {
  const dir = resolve(options.dir);
  const { identity, diagnosis: certificate } = await lookAtCertificate(dir, options.nowMs);
  const parsed = loadSidecarConfig(`${dir}/sidecar.yaml`);
  const config = parsed.t === "ok" ? parsed.config : undefined;
  const own = config === undefined ? [] : [config.agent, ...(config.otherAgents ?? [])];
  const agents = options.agents.length > 0 ? options.agents : own;
  const group = config?.registration?.group;
  const files = await lookAtFiles(dir);
  const looked = await Promise.all([
    ...agents.map((agent) => lookAtAgent({ agent, identity, group })),
    ...(config === undefined
      ? []
      : [lookAtSidecar(dir, config.admin), lookAtApplication(config.inbound), lookAtNames(config)]),
  ]);
  return [...files, certificate, ...looked.flat()];
}
