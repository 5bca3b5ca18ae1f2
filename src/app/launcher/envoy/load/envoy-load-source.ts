import type { LoadSource } from "../../../../dataplane/io/load-session.ts";
import { reasonOf } from "../../../../mesh/errors.ts";
import type { Log } from "../../../../mesh/ports.ts";
import type { EnvoyAdmin } from "../admin.ts";
import { countersPath, histogramPaths, hostPaths } from "./admin-paths.ts";
import { readCounters, readHistograms, readHosts } from "./admin-text.ts";
import { createEnvoyLoads, type EnvoyLoads, type EnvoyReading } from "./envoy-loads.ts";

export interface EnvoyLoadSourceOptions {
  readonly admin: Pick<EnvoyAdmin, "get">;
  /** Of Envoy's node. */
  readonly ownZone: string;
  readonly log: Log;
}

/** What an Envoy counts, read from its admin interface when it is asked for. */
export function envoyLoadSource({ admin, ownZone, log }: EnvoyLoadSourceOptions): LoadSource {
  const loads = createEnvoyLoads(ownZone);
  let hasBegun = false;
  const begin = async (): Promise<void> => {
    const reading = await read(admin, { loads, ownZone });
    loads.begin(reading);
    hasBegun = true;
  };
  // Envoy is being started, or ended: what it counts adds up until it answers.
  const unanswered = (thrown: unknown): void =>
    log.debug({ reason: reasonOf(thrown) }, "Envoy says nothing of its load");
  return {
    begin: async () => {
      hasBegun = false;
      await begin().catch(unanswered);
    },
    take: async () => {
      try {
        if (hasBegun) return loads.take(await read(admin, { loads, ownZone }));
        await begin();
      } catch (thrown) {
        unanswered(thrown);
      }
      return [];
    },
  };
}

/** The counters of all clusters first: in a quiet second they are all. */
async function read(
  admin: EnvoyLoadSourceOptions["admin"],
  { loads, ownZone }: { readonly loads: EnvoyLoads; readonly ownZone: string },
): Promise<EnvoyReading> {
  const ask = async (paths: readonly string[]): Promise<string> => {
    let text = "";
    for (const path of paths) {
      const { status, body } = await admin.get(path);
      // Taken for statistics, it would say that all clusters are gone.
      if (status !== 200) throw new Error(`Envoy answers ${status}`);
      text += body;
    }
    return text;
  };
  const counters = readCounters(await ask([countersPath]));
  const names = loads.changedIn(counters);
  const hosts = readHosts(await ask(hostPaths(names)));
  // Last, as Envoy adds them up because of the first question, and not before it answers that.
  const histograms = readHistograms(await ask(histogramPaths(names, ownZone)));
  return { counters, hosts, histograms };
}
