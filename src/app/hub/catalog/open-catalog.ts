import { openRedisStore } from "../../../discovery/io/catalog/redis/redis-store.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { parseMemberName } from "../../../mesh/ids.ts";
import type { Log } from "../../../mesh/ports.ts";
import { realClock, realTimers } from "../../real-time.ts";
import type { HubTarget } from "../hub-target.ts";
import { type CatalogView, type HubToView, viewCatalog } from "./catalog-view.ts";
import { peekHub } from "./peek-hub.ts";

// A shard of 64 MB over a slow line; whoever waits at a terminal can end it before.
const callMs = 20_000;

// What a store logs, the findings say again.
const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Reads all hubs of the target. Throws MESH_USAGE without a charter to judge by, and MESH_ID_INVALID. */
export async function readCatalog(
  target: HubTarget,
  wanted: { readonly members: readonly string[]; readonly withContent: boolean },
): Promise<CatalogView> {
  const { charter: trusted, charterProblem } = target;
  if (trusted === undefined) {
    const truth = charterProblem ?? "name a folder with charter.json and bundle.pem with --trust";
    throw new MeshError("MESH_USAGE", `Cannot judge what hubs hold: ${truth}`);
  }
  const { mesh } = trusted.charter;
  const members = wanted.members.map(parseMemberName);
  await using opened = new AsyncDisposableStack();
  const hubs = target.hubs.map((hub): HubToView => {
    const deps = { mesh, clock: realClock, timers: realTimers, random: Math.random, log: silent };
    const store = opened.use(openRedisStore(hub, deps));
    return { store, peek: (about) => peekHub(hub, about) };
  });
  return await viewCatalog({
    hubs,
    trusted,
    members,
    withContent: wanted.withContent,
    nowMs: () => Date.now(),
    within: () => AbortSignal.timeout(callMs),
  });
}
