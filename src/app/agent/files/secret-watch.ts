import type { Log } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { HubConfig } from "../../config/config.ts";
import { exposedSecrets } from "../../hub/exposed-secrets.ts";

/** Which files with secrets of hubs others may read, as of the last look. */
export interface SecretWatch {
  /** Files are replaced while the agent runs. Call now and then. */
  readonly look: () => Promise<void>;
  readonly findings: () => readonly Finding[];
}

/** Looks once, and says in the log what it finds. */
export async function watchSecrets(hubs: readonly HubConfig[], log: Log): Promise<SecretWatch> {
  let found = await exposedSecrets(hubs);
  for (const { subject, message } of found) {
    log.warn({ name: subject, reason: message }, "Others may read a secret");
  }
  return {
    look: async () => {
      found = await exposedSecrets(hubs);
    },
    findings: () => found,
  };
}
