import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type HostPort, parseHostPort } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { parseMemberName } from "../../../mesh/ids.ts";
import { joinedBefore, memberRequest, saveGrant } from "../../../trust/io/joined-files.ts";
import type { MemberFiles } from "../../../trust/io/member-files.ts";
import { saveFile } from "../../../trust/io/safe-files.ts";
import type { JoinHub } from "../../../xds/joining.ts";
import { loadAgentConfig } from "../../config/load-config.ts";
import { holdFolder } from "../../held-folder.ts";
import { joinMember } from "../../join/show-token.ts";
import { readTokenFile } from "../../join/token-file.ts";
import { writing } from "../../vm/join/state-folder.ts";
import { configText } from "./config-text.ts";

/** What an operator types; words are judged here. */
export interface JoinWords {
  /** `HOST:PORT,…` */
  readonly agent: string;
  readonly tokenFile: string | undefined;
  readonly dir: string;
  /** Whom the operator expects to become; absent: the token says. */
  readonly member: string | undefined;
  readonly hubs: readonly string[];
  readonly gateways: readonly string[];
  readonly xds: string | undefined;
  readonly http: string | undefined;
  /** Hears a sentence of what is not as it should be, and does not stop it. */
  readonly warn: (sentence: string) => void;
}

export interface JoinedMember {
  readonly member: string;
  readonly mesh: string;
  readonly charter: number;
  /** Epoch milliseconds. */
  readonly issuerEndsMs: number;
  readonly from: "folder" | "token";
  /** Absolute or as typed: `agent.yaml`. */
  readonly config: string;
  /** False: there was one, which stays as it is. */
  readonly isConfigNew: boolean;
  /** Files that the configuration names and that somebody has to put there. */
  readonly missing: readonly string[];
}

/**
 * Makes a folder from which the agent of a new member runs: key, intermediate, charter, configuration. May be
 * run again at any time; an interrupted join goes on with its key. Throws MESH_USAGE, MESH_JOIN_…,
 * MESH_UNREACHABLE, MESH_FOLDER_IN_USE, MESH_TRUST_… and MESH_FILE_….
 */
export async function joinMesh(words: JoinWords): Promise<JoinedMember> {
  const agents = agentsIn(words.agent);
  const gateways = words.gateways.map(parseHostPort);
  const listens = {
    xds: words.xds === undefined ? undefined : parseHostPort(words.xds),
    http: words.http === undefined ? undefined : parseHostPort(words.http),
  };
  const dir = join(words.dir, "trust");
  await writing(words.dir, () => mkdir(words.dir, { recursive: true }));
  await using _held = await holdFolder(words.dir, "wait for its end, then run this again");
  const before = await joinedBefore(dir);
  const bought = before === undefined ? await buy(words, { agents, dir }) : undefined;
  const files = before ?? bought?.files;
  if (files === undefined) throw new RangeError("A member joined before, or joins now");
  checkName(words, files);
  const config = join(words.dir, "agent.yaml");
  const isConfigNew = !existsSync(config);
  if (isConfigNew) {
    const hubs = words.hubs.length > 0 ? words.hubs.map(plainHub) : (bought?.hubs ?? []);
    if (hubs.length === 0) throw withoutHub(dir);
    await mkdir(join(words.dir, "services"), { recursive: true });
    await saveFile(config, configText(files, { hubs, agents, gateways, ...listens }));
  }
  return {
    member: files.member,
    mesh: files.mesh,
    charter: files.charter.charter.number,
    issuerEndsMs: files.issuer.certificate.notAfterMs,
    from: before === undefined ? "token" : "folder",
    config,
    isConfigNew,
    missing: missingFiles(config),
  };
}

async function buy(
  { tokenFile, member, warn }: JoinWords,
  { agents, dir }: { readonly agents: readonly HostPort[]; readonly dir: string },
): Promise<{ readonly files: MemberFiles; readonly hubs: readonly JoinHub[] }> {
  if (tokenFile === undefined) {
    throw new MeshError(
      "MESH_USAGE",
      "Cannot join: --token-file is missing, and this folder never joined",
    );
  }
  const token = await readTokenFile(tokenFile, warn);
  if (token === undefined) {
    throw new MeshError(
      "MESH_USAGE",
      `Cannot join: "${tokenFile}" is empty, and this folder never joined`,
    );
  }
  const name = member === undefined ? {} : { member: parseMemberName(member) };
  const csr = await writing(dir, () => memberRequest(dir));
  const { answer } = await joinMember({ agents, token, csr, ...name });
  const files = await writing(dir, () => saveGrant(dir, { grant: answer, nowMs: Date.now() }));
  return { files, hubs: answer.hubs ?? [] };
}

function agentsIn(written: string): readonly HostPort[] {
  return written
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map(parseHostPort);
}

function checkName({ member, dir }: JoinWords, files: MemberFiles): void {
  if (member === undefined || member === files.member) return;
  throw new MeshError(
    "MESH_USAGE",
    `Cannot join as "${member}": ${dir} belongs to member "${files.member}"; name another folder by --dir`,
  );
}

function plainHub(url: string): JoinHub {
  return { url, needsPassword: false, needsCa: false };
}

function withoutHub(dir: string): MeshError {
  return new MeshError(
    "MESH_USAGE",
    `Cannot write agent.yaml: the agent named no hub; the identity is in ${dir}, so say --hub URL and run this again`,
  );
}

/** Passwords and certificates of hubs are each member's own. */
function missingFiles(config: string): readonly string[] {
  const parsed = loadAgentConfig(config);
  if (parsed.t === "invalid") return [];
  const named = (parsed.config.catalog.hubs ?? []).flatMap(({ passwordFile, caFile }) => [
    passwordFile,
    caFile,
  ]);
  return named.filter((file): file is string => file !== undefined && !existsSync(file));
}
