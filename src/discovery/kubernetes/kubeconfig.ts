import { parse } from "yaml";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { isMap, type JsonMap, textIn } from "../../mesh/json-map.ts";
import { Secret } from "../../mesh/secret.ts";

/** PEM, or the path of a file with it. */
export type PemFrom = { readonly pem: string } | { readonly file: string };

/** What one context of a kubeconfig says: where the API server is, and who we are there. */
export interface KubeContext {
  readonly name: string;
  /** `https://10.0.0.1:6443`, perhaps with a path, without a slash at its end. */
  readonly server: string;
  /** Absent: the authorities of the system. */
  readonly ca?: PemFrom;
  /** Absent: the host of `server`. */
  readonly serverName?: string;
  readonly user: KubeUser;
}

export type KubeUser =
  | { readonly t: "token"; readonly token: Secret }
  | { readonly t: "token-file"; readonly file: string }
  | { readonly t: "certificate"; readonly cert: PemFrom; readonly key: Secret | PemFrom }
  /** Needs a program or a login: `exec`, `auth-provider`. */
  | { readonly t: "plugin" }
  | { readonly t: "nobody" };

/**
 * Reads a kubeconfig (YAML or JSON); of the named context, else of the current one. Throws MESH_CONFIG_INVALID. Source:
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
export function readKubeconfig(
  text: string,
  from: { readonly path: string; readonly context?: string },
): KubeContext {
  const refuse = (problem: string): MeshError =>
    new MeshError("MESH_CONFIG_INVALID", `Cannot use kubeconfig "${from.path}": ${problem}`);
  const document = parsed(text, refuse);
  const name = from.context ?? textAt(document, "current-context");
  if (name === undefined) throw refuse("it has no `current-context`; name one in `context`");
  const context = named(document, "contexts", name)?.["context"];
  if (!isMap(context)) throw refuse(`it has no context "${name}"`);
  const inside = (list: "clusters" | "users", key: "cluster" | "user"): JsonMap => {
    const wanted = textAt(context, key);
    const found = wanted === undefined ? undefined : named(document, list, wanted)?.[key];
    if (isMap(found)) return found;
    // A user without any field is written as `user: {}` or left out.
    if (key === "user" && (found === null || wanted === undefined)) return {};
    throw refuse(`context "${name}" names the ${key} "${wanted}", which is not in \`${list}\``);
  };
  const cluster = inside("clusters", "cluster");
  const serverName = textAt(cluster, "tls-server-name");
  const ca = pemAt(cluster, "certificate-authority");
  return {
    name,
    server: serverOf(cluster, refuse),
    ...(ca === undefined ? {} : { ca }),
    ...(serverName === undefined ? {} : { serverName }),
    user: userOf(inside("users", "user"), refuse),
  };
}

type Refuse = (problem: string) => MeshError;

const maxLength = 1 << 20;

function parsed(text: string, refuse: Refuse): JsonMap {
  if (text.length > maxLength) throw refuse("it is larger than 1 MiB");
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    throw refuse(reasonOf(cause).split("\n", 1)[0] ?? "it is no YAML");
  }
  if (!isMap(document)) throw refuse("it is no map");
  return document;
}

function serverOf(cluster: JsonMap, refuse: Refuse): string {
  const server = textAt(cluster, "server");
  const url = server === undefined ? null : URL.parse(server);
  if (url === null) throw refuse(`its server "${server ?? ""}" is no URL`);
  // Whoever reads or answers such a connection gets our credentials.
  if (url.protocol !== "https:") throw refuse(`its server "${server}" is not https`);
  if (cluster["insecure-skip-tls-verify"] === true) {
    throw refuse("`insecure-skip-tls-verify` would show our token to anybody: give the CA instead");
  }
  if (textAt(cluster, "proxy-url") !== undefined) throw refuse("`proxy-url` is not supported");
  return url.href.replace(/\/+$/, "");
}

function userOf(user: JsonMap, refuse: Refuse): KubeUser {
  if (user["exec"] !== undefined || user["auth-provider"] !== undefined) return { t: "plugin" };
  // As kubectl has it: the file is newer than what was written beside it.
  const file = textAt(user, "tokenFile");
  if (file !== undefined) return { t: "token-file", file };
  const token = textAt(user, "token");
  if (token !== undefined) return { t: "token", token: new Secret(token) };
  const cert = pemAt(user, "client-certificate");
  const key = pemAt(user, "client-key");
  if (cert !== undefined && key !== undefined) {
    return { t: "certificate", cert, key: "pem" in key ? new Secret(key.pem) : key };
  }
  if (cert !== undefined || key !== undefined) throw refuse("its user has half a certificate");
  if (user["username"] !== undefined) throw refuse("passwords are not supported by API servers");
  return { t: "nobody" };
}

function pemAt(fields: JsonMap, key: string): PemFrom | undefined {
  const inline = textAt(fields, `${key}-data`);
  if (inline !== undefined) return { pem: Buffer.from(inline, "base64").toString("utf8") };
  const file = textAt(fields, key);
  return file === undefined ? undefined : { file };
}

function named(document: JsonMap, list: string, name: string): JsonMap | undefined {
  const items = document[list];
  return Array.isArray(items)
    ? items.filter(isMap).find((item) => item["name"] === name)
    : undefined;
}

function textAt(fields: JsonMap, key: string): string | undefined {
  const text = textIn(fields, key);
  return text === "" ? undefined : text;
}
