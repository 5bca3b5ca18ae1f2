import { join } from "node:path";
import {
  type HubUrl,
  hubNameOf,
  parseHubUrl,
} from "../../discovery/io/catalog/redis/link/hub-url.ts";
import type { Charter } from "../../mesh/charter.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import {
  type MemberName,
  type MeshDomain,
  parseMemberName,
  parseMeshDomain,
} from "../../mesh/ids.ts";
import type { TrustedCharter } from "../../trust/charter.ts";
import { loadCharterOf } from "../../trust/io/member-files.ts";
import type { HubConfig } from "../config/config.ts";
import type { ConfigProblem } from "../config/config-parser.ts";
import { wrongWithHub } from "../config/hub-config.ts";
import { loadAgentConfig } from "../config/load-config.ts";

/** What an operator typed of hubs; nothing of it is judged yet. */
export interface HubWords {
  readonly config: string | undefined;
  readonly url: string | undefined;
  readonly username: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly serverName: string | undefined;
  /** A folder with `charter.json` and `bundle.pem`. */
  readonly trust: string | undefined;
  readonly mesh: string | undefined;
  readonly member: string | undefined;
}

export interface HubTarget {
  readonly hubs: readonly HubConfig[];
  readonly mesh: MeshDomain | undefined;
  readonly member: MemberName | undefined;
  readonly charter: TrustedCharter | undefined;
  /** Why the folder of `agent.yaml` gave no charter. */
  readonly charterProblem: string | undefined;
}

export type ReadTarget =
  | { readonly t: "ok"; readonly target: HubTarget }
  | { readonly t: "misconfigured"; readonly problems: readonly ConfigProblem[] };

/** Throws MESH_USAGE, MESH_ID_INVALID, MESH_ADDRESS_INVALID and what reading `--trust` throws. */
export async function readTarget(words: HubWords): Promise<ReadTarget> {
  if (words.config === undefined && words.url === undefined) {
    throw usage("name a hub with --url, or the agent's file with --config");
  }
  if (words.config !== undefined && words.url !== undefined) {
    throw usage("--config has the hubs already: leave out --url");
  }
  return words.config === undefined
    ? { t: "ok", target: await targetOfUrl(words, words.url ?? "") }
    : targetOfConfig(words, words.config);
}

async function targetOfConfig(words: HubWords, file: string): Promise<ReadTarget> {
  const parsed = loadAgentConfig(file);
  if (parsed.t === "invalid") return { t: "misconfigured", problems: parsed.problems };
  const { config } = parsed;
  const { hubs = [] } = config.catalog;
  if (hubs.length === 0) {
    const message = "it names no hub: this agent's catalog lives in its own memory";
    return { t: "misconfigured", problems: [{ file, line: 0, path: "catalog.hubs", message }] };
  }
  const found = await charterIn(words.trust ?? config.trust.dir);
  const { mesh } = config;
  return { t: "ok", target: { hubs, mesh, member: config.member.name, ...found } };
}

async function targetOfUrl(words: HubWords, url: string): Promise<HubTarget> {
  const charter = words.trust === undefined ? undefined : await loadCharterOf(words.trust);
  const given = {
    url,
    name: undefined,
    username: words.username,
    passwordFile: words.passwordFile,
    caFile: words.caFile,
    certFile: words.certFile,
    keyFile: words.keyFile,
    serverName: words.serverName,
  };
  const name = hubNameOf(typedUrl(url));
  const wrong = wrongWithHub(given);
  if (wrong !== undefined) throw usage(wrong);
  const known = Object.entries(given).filter(([, value]) => value !== undefined);
  const hub: HubConfig = { url, name, ...Object.fromEntries(known) };
  const mesh = words.mesh === undefined ? undefined : parseMeshDomain(words.mesh);
  return {
    hubs: [hub],
    mesh: mesh ?? charter?.charter.mesh,
    member: memberOf(words, charter?.charter),
    charter,
    charterProblem: undefined,
  };
}

function typedUrl(url: string): HubUrl {
  try {
    return parseHubUrl(url);
  } catch (cause) {
    throw usage(reasonOf(cause), cause);
  }
}

/** Users are called like members, where `hub acl` made them. */
function memberOf(words: HubWords, charter: Charter | undefined): MemberName | undefined {
  if (words.member !== undefined) return parseMemberName(words.member);
  return charter?.members.find(({ name }) => name === words.username)?.name;
}

async function charterIn(dir: string): Promise<Pick<HubTarget, "charter" | "charterProblem">> {
  try {
    return { charter: await loadCharterOf(dir), charterProblem: undefined };
  } catch (thrown) {
    // A hub can be looked at before the member has its keys.
    return {
      charter: undefined,
      charterProblem: `${join(dir, "charter.json")}: ${reasonOf(thrown)}`,
    };
  }
}

function usage(truth: string, cause?: unknown): MeshError {
  const options = cause === undefined ? undefined : { cause };
  return new MeshError("MESH_USAGE", `Cannot look at hubs: ${truth}`, options);
}
