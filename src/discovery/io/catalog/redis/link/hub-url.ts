import { formatHostPort, type HostPort, parseHostPort } from "../../../../../mesh/address.ts";
import { MeshError } from "../../../../../mesh/errors.ts";

/** Where a hub is and how to find the server in it that may be written. */
export type HubUrl = { readonly isTls: boolean } & (
  | { readonly t: "standalone"; readonly address: HostPort }
  | {
      readonly t: "sentinel";
      readonly sentinels: readonly HostPort[];
      /** The name under which the sentinels watch the server. */
      readonly master: string;
    }
  /** Any nodes of it; the others are asked for. */
  | { readonly t: "cluster"; readonly nodes: readonly HostPort[] }
);

const form =
  /^(?<scheme>redis|rediss)(?:\+(?<shape>sentinel|cluster))?:\/\/(?<hosts>[^/?#]+)(?<path>\/[^?#]*)?$/;
const masterName = /^\/[A-Za-z0-9._-]{1,128}$/;
// Enough for any real set; bounds what is asked at once.
const maxHosts = 32;

/**
 * Reads `redis://host:port`, `redis+sentinel://h1:p,h2:p/MASTER` or `redis+cluster://h1:p,h2:p`; with
 * `rediss` over TLS. Throws MESH_ADDRESS_INVALID. Never repeats a text that may hold a password.
 */
export function parseHubUrl(text: string): HubUrl {
  if (text.includes("@")) {
    throw refused(
      "it holds a user or a password, which would end up in logs; use username and passwordFile",
    );
  }
  const match = form.exec(text)?.groups;
  if (match === undefined) {
    throw refused(
      `"${text}" is none of redis://host:port, redis+sentinel://host:port,…/MASTER, redis+cluster://host:port,… (rediss for TLS)`,
    );
  }
  const { scheme, shape, hosts = "", path = "" } = match;
  const isTls = scheme === "rediss";
  const addresses = hosts.split(",").map(address);
  const [first] = addresses;
  if (first === undefined || addresses.length > maxHosts) {
    throw refused(`it names more than ${maxHosts} hosts`);
  }
  if (shape === "sentinel") {
    if (!masterName.test(path)) {
      throw refused("it does not say which master the sentinels watch: append /MASTER");
    }
    return { t: "sentinel", isTls, sentinels: addresses, master: path.slice(1) };
  }
  if (path !== "" && path !== "/") {
    throw refused(`"${path}" cannot follow the host: a catalog lives in database 0`);
  }
  if (shape === "cluster") return { t: "cluster", isTls, nodes: addresses };
  if (addresses.length > 1) {
    throw refused("several hosts need redis+sentinel or redis+cluster; each other hub is an entry");
  }
  return { t: "standalone", isTls, address: first };
}

/** What a hub is called unless its configuration gives it a name: its host part. */
export function hubNameOf(url: HubUrl): string {
  switch (url.t) {
    case "standalone":
      return formatHostPort(url.address);
    case "sentinel":
      return `${url.sentinels.map(formatHostPort).join(",")}/${url.master}`;
    case "cluster":
      return url.nodes.map(formatHostPort).join(",");
  }
}

function address(text: string): HostPort {
  const parsed = parseHostPort(text);
  if (parsed.port === 0) throw refused(`"${text}" has no port to connect to`);
  return parsed;
}

function refused(what: string): MeshError {
  return new MeshError("MESH_ADDRESS_INVALID", `Cannot read a hub's url: ${what}`);
}
