import { readAccess } from "../../discovery/io/catalog/redis/link/hub-access.ts";
import type { HubUrl } from "../../discovery/io/catalog/redis/link/hub-url.ts";
import { parseHubUrl } from "../../discovery/io/catalog/redis/link/hub-url.ts";
import type { HostPort } from "../../mesh/address.ts";
import type { HubConfig } from "../config/config.ts";
import type { NodeDoor } from "./redis-node.ts";

/** How to reach any server of a hub. */
export interface HubDoors {
  readonly url: HubUrl;
  /** Nothing is configured to log in with. */
  readonly isAnonymous: boolean;
  readonly door: (address: HostPort) => NodeDoor;
}

/** Reads the files that a hub's configuration names. Throws HubFailure. */
export async function openDoors(hub: HubConfig): Promise<HubDoors> {
  const url = parseHubUrl(hub.url);
  const access = await readAccess(hub);
  return {
    url,
    isAnonymous: access.password === undefined,
    door: (address) => ({ address, isTls: url.isTls, access }),
  };
}
