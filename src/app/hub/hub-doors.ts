import type { HubUrl } from "../../discovery/io/catalog/redis/hub-url.ts";
import { parseHubUrl } from "../../discovery/io/catalog/redis/hub-url.ts";
import type { HostPort } from "../../mesh/address.ts";
import { Secret } from "../../mesh/secret.ts";
import { readKeyFile, readText } from "../../trust/io/safe-files.ts";
import type { HubConfig } from "../config/config.ts";
import type { NodeDoor } from "./redis-node.ts";

/** How to reach any server of a hub. */
export interface HubDoors {
  readonly url: HubUrl;
  /** Nothing is configured to log in with. */
  readonly isAnonymous: boolean;
  readonly door: (address: HostPort) => NodeDoor;
}

/** Reads the files that a hub's configuration names. Throws MESH_FILE_UNREADABLE and MESH_TRUST_KEY_FILE_UNSAFE. */
export async function openDoors(hub: HubConfig): Promise<HubDoors> {
  const url = parseHubUrl(hub.url);
  const [ca, cert, key, password] = await Promise.all([
    textOf(hub.caFile),
    textOf(hub.certFile),
    hub.keyFile === undefined ? undefined : readKeyFile(hub.keyFile),
    hub.passwordFile === undefined ? undefined : readPassword(hub.passwordFile),
  ]);
  const login = password && { username: hub.username, password };
  const tls = url.isTls ? { ca, cert, key: key?.reveal(), serverName: hub.serverName } : undefined;
  return { url, isAnonymous: login === undefined, door: (address) => ({ address, tls, login }) };
}

/** The first line, as `redis-cli` and editors leave it. */
async function readPassword(file: string): Promise<Secret> {
  return new Secret((await readKeyFile(file)).reveal().split("\n")[0] ?? "");
}

async function textOf(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : await readText(file);
}
