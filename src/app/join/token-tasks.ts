import { join } from "node:path";
import { parseIpRange } from "../../mesh/address.ts";
import { type Charter, charterMember } from "../../mesh/charter.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { type MemberName, parseServiceId, type ServiceId, trustDomainOf } from "../../mesh/ids.ts";
import type { Secret } from "../../mesh/secret.ts";
import { readGroupId } from "../../mesh/workload-group.ts";
import { readClaims } from "../../trust/charter-codec.ts";
import type { MemberClaims } from "../../trust/charter-edit.ts";
import { readChain } from "../../trust/io/issuer-files.ts";
import { readAll, tokensDir } from "../../trust/io/join-token-files.ts";
import { createJoinToken, revokeJoinToken } from "../../trust/io/join-tokens.ts";
import { loadCharterOf } from "../../trust/io/member-files.ts";
import type { JoinGrant, JoinTokenRecord, StoredToken } from "../../trust/join/join-grant.ts";
import { presentRoot } from "../../trust/join/present-root.ts";
import type { AgentConfig } from "../config/config.ts";
import { durationOf } from "../config/config-parser.ts";
import { didYouMean } from "../nearest.ts";
import { type MemberClaimWords, memberClaims } from "../trust-tasks.ts";
import { groupsInFiles } from "./groups-in-files.ts";

/** What an operator types of a new token; words are judged here. */
export interface TokenWords {
  readonly member: MemberClaimWords | undefined;
  readonly isVm: boolean;
  readonly group: string | undefined;
  readonly services: readonly string[];
  readonly ttl: string | undefined;
  readonly uses: string | undefined;
  readonly from: readonly string[];
}

export interface CreatedToken {
  readonly text: Secret;
  readonly record: JoinTokenRecord;
  /** Hex. */
  readonly rootSpkiSha256: string;
  /** A sentence for whoever made it; undefined: nothing is wrong as far as files tell. */
  readonly warning: string | undefined;
}

// Time to copy it and type a command.
const defaultTtlMs = 3_600_000;
const minTtlMs = 60_000;
// Who needs longer makes another one: a token is a way in for whoever finds it.
const maxTtlMs = 86_400_000;
// An autoscaling group that starts at once, and a file for each.
const maxUses = 1000;
const maxRanges = 64;
const maxServices = 64;

/** Makes a token on the machine of an agent. Throws MESH_USAGE, MESH_…_INVALID, MESH_FILE_UNREADABLE and MESH_TRUST_…. */
export async function makeToken(
  config: AgentConfig,
  options: { readonly words: TokenWords; readonly nowMs: number },
): Promise<CreatedToken> {
  const { words, nowMs } = options;
  const grant = grantOf(words);
  if (grant.t === "member" && config.trust.signer === undefined) {
    throw new MeshError(
      "MESH_TRUST_SIGNER_MISSING",
      "Cannot create token for a member: this agent may not use the root, so nobody could join by it; " +
        "create it where agent.yaml has `trust.signer`",
    );
  }
  const ttlMs = ttlOf(words.ttl);
  const uses = usesOf(words);
  const from = listed(words.from, { option: "from", max: maxRanges });
  for (const range of from) parseIpRange(range);
  const { dir } = config.trust;
  const [chain, { charter, bundle }] = await Promise.all([
    readChain(join(dir, "member.pem")),
    loadCharterOf(dir),
  ]);
  if (grant.t === "member") checkIsNew(grant.claims.name, charter, nowMs);
  const { spkiSha256: rootSpkiSha256 } = presentRoot(chain, bundle);
  const trustDomain = trustDomainOf(config.member.name, config.mesh);
  const wish = { grant, uses, from, ttlMs, rootSpkiSha256, trustDomain };
  const made = await createJoinToken(config.catalog.snapshotDir, { wish, nowMs });
  return { ...made, rootSpkiSha256, warning: await missingGroup(config, grant) };
}

/** The group may come later; whoever mistyped it should not learn it from a VM. */
async function missingGroup(
  { sources }: AgentConfig,
  grant: JoinGrant,
): Promise<string | undefined> {
  if (grant.t !== "vm") return undefined;
  const groups = await groupsInFiles(sources);
  const group = readGroupId(grant.group);
  if (groups === undefined || (group !== undefined && groups.has(group))) return undefined;
  const hint = didYouMean(grant.group, groups);
  return `There is no WorkloadGroup "${grant.group}" in this agent's sources now, so nobody can join by this token${hint}`;
}

/** The tokens of an agent, newest first; files that cannot be read are named. Throws MESH_FILE_UNREADABLE. */
export async function listTokens(
  config: AgentConfig,
): Promise<{ readonly tokens: readonly StoredToken[]; readonly damaged: readonly string[] }> {
  return await readAll(tokensDir(config.catalog.snapshotDir));
}

/** False: it was revoked before. Throws as `revokeJoinToken`. */
export async function takeTokenBack(
  config: AgentConfig,
  options: { readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  return await revokeJoinToken(config.catalog.snapshotDir, options);
}

/** What a token is worth now. */
export type TokenState = "good" | "used" | "expired" | "revoked";

export function tokenState({ record, revokedAtMs, uses }: StoredToken, nowMs: number): TokenState {
  if (revokedAtMs !== undefined) return "revoked";
  if (uses.length >= record.uses) return "used";
  return nowMs >= record.expiresAtMs ? "expired" : "good";
}

function grantOf({ member, isVm, group, services }: TokenWords): JoinGrant {
  if ((member !== undefined) === isVm) throw wrong("say either --member NAME or --vm");
  if (member !== undefined) {
    if (group !== undefined || services.length > 0) {
      throw wrong("--group and --service are for VMs");
    }
    return { t: "member", claims: checkedClaims(member) };
  }
  if (group === undefined) throw wrong("--vm needs --group NS/NAME, its WorkloadGroup");
  const named = listed(services, { option: "service", max: maxServices });
  return {
    t: "vm",
    group: parseServiceId(group),
    services: named.map((text): ServiceId => parseServiceId(text)),
  };
}

/** The charter that this agent saved last; what it does not know yet is refused when somebody joins. */
function checkIsNew(name: MemberName, charter: Charter, nowMs: number): void {
  const entry = charterMember(charter, name);
  if (entry === undefined) return;
  const { state, issuersEndMs = Infinity } = entry;
  if (state !== "denied")
    throw wrong(`the charter has member "${name}" already; names are not shared`);
  if (issuersEndMs < nowMs) return;
  const end = issuersEndMs === Infinity ? "its issuers end" : new Date(issuersEndMs).toISOString();
  throw wrong(`the charter denies member "${name}"; until ${end} take another name`);
}

/** What no charter takes must not be found out when somebody joins. */
function checkedClaims(words: MemberClaimWords): MemberClaims {
  const claims = memberClaims(words);
  try {
    return readClaims(claims);
  } catch (cause) {
    throw new MeshError("MESH_USAGE", `Cannot create token: ${reasonOf(cause)}`, { cause });
  }
}

function ttlOf(text: string | undefined): number {
  if (text === undefined) return defaultTtlMs;
  const ms = durationOf(text);
  if (ms === undefined) throw wrong(`--ttl "${text}" is not a duration such as 10m or 1h`);
  if (ms >= minTtlMs && ms <= maxTtlMs) return ms;
  throw wrong(`--ttl "${text}" is not between 1m and 24h`);
}

function usesOf({ uses = "1", member }: TokenWords): number {
  if (!/^[1-9]\d{0,3}$/.test(uses) || Number(uses) > maxUses) {
    throw wrong(`--uses "${uses}" is not a whole number from 1 to ${maxUses}`);
  }
  if (member === undefined || uses === "1") return Number(uses);
  throw wrong("a member joins once: leave --uses out");
}

function listed(
  texts: readonly string[],
  { option, max }: { readonly option: string; readonly max: number },
): readonly string[] {
  if (texts.length <= max) return texts;
  throw wrong(`--${option} stands there more than ${max} times`);
}

function wrong(truth: string): MeshError {
  return new MeshError("MESH_USAGE", `Cannot run isthmus token create: ${truth}`);
}
