import type { CatalogStore, RawRecords, ShardSnapshot } from "../../discovery/shards/store.ts";
import type { Charter, MemberStanding } from "../../mesh/charter.ts";
import { charterMember } from "../../mesh/charter.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { MemberName } from "../../mesh/ids.ts";
import { judgeCharter, type TrustedCharter } from "../../trust/charter.ts";
import { judgeClaim } from "../../trust/claims.ts";
import { createVerifier } from "../../trust/verifier.ts";
import type { HubFinding } from "./hub-finding.ts";
import { shardRemedies } from "./shard-remedies.ts";
import { differingKeys, type ShardView, viewShard } from "./shard-view.ts";
import { visible } from "./visible.ts";

export interface CatalogView {
  /** The newest charter that verifies, of the folder or of any hub. */
  readonly charter: Charter;
  readonly hubs: readonly HubView[];
  readonly findings: readonly HubFinding[];
}

export interface HubView {
  readonly hub: string;
  /** Why it could not be read; undefined: it could. */
  readonly failure: string | undefined;
  /** Numbers of the charters that verify. */
  readonly charters: readonly number[];
  readonly shards: readonly HubShard[];
}

export interface HubShard extends ShardView {
  readonly standing: MemberStanding | "unlisted";
  /** Only where the caller wanted it. */
  readonly content: RawRecords | undefined;
}

export interface CatalogQuestion {
  readonly stores: readonly CatalogStore[];
  readonly trusted: TrustedCharter;
  /** Empty: all members of the charter. */
  readonly members: readonly MemberName[];
  readonly withContent: boolean;
  readonly nowMs: () => number;
  /** A signal for each call, so that one hub that hangs costs its own time only. */
  readonly within: () => AbortSignal;
}

/** Reads what hubs hold and judges it as an agent would, by the charter and bundle that are trusted here. */
export async function viewCatalog(question: CatalogQuestion): Promise<CatalogView> {
  const findings: HubFinding[] = [];
  const { stores } = question;
  const offered = await Promise.all(stores.map((store) => chartersOf(store, question)));
  let trusted = question.trusted;
  // Twice, since the first round may bring the bundle that the rest needs.
  for (const { charters } of [...offered, ...offered]) {
    for (const signed of charters) {
      const verdict = judgeCharter(signed, trusted);
      if (verdict.t === "newer") trusted = verdict.charter;
    }
  }
  const hubs = stores.map((store, index) => {
    const { charters = [], failure } = offered[index] ?? {};
    const judged = judgeOffers(store.name, charters, trusted);
    findings.push(...judged.findings, ...unreachable(store.name, failure));
    return { store, failure, numbers: judged.numbers, shards: [] as HubShard[] };
  });
  const { charter } = trusted;
  const members =
    question.members.length > 0 ? question.members : charter.members.map(({ name }) => name);
  const readable = hubs.filter(({ failure }) => failure === undefined);
  // One member after the other: never more than one shard of each hub in memory.
  for (const member of members) {
    const shards = await viewMember(member, { question, trusted, hubs: readable });
    findings.push(...compareShards(member, shards));
    for (const { hub, shard } of shards) {
      hub.shards.push({ ...shard, content: question.withContent ? shard.content : undefined });
    }
  }
  const views = hubs.map(({ store, failure, numbers, shards }) => ({
    hub: store.name,
    failure,
    charters: numbers,
    shards,
  }));
  for (const { shards } of views) findings.push(...shards.flatMap((shard) => shard.findings));
  return { charter, hubs: views, findings };
}

interface Offer {
  readonly charters: Awaited<ReturnType<CatalogStore["readCharters"]>>;
  readonly failure: string | undefined;
}

async function chartersOf(store: CatalogStore, question: CatalogQuestion): Promise<Offer> {
  try {
    const charters = await store.readCharters({ above: 0 }, question.within());
    return { charters, failure: undefined };
  } catch (thrown) {
    return { charters: [], failure: reasonOf(thrown) };
  }
}

function judgeOffers(
  hub: string,
  charters: Offer["charters"],
  trusted: TrustedCharter,
): { readonly findings: readonly HubFinding[]; readonly numbers: readonly number[] } {
  const findings: HubFinding[] = [];
  const numbers = new Set<number>();
  for (const signed of charters) {
    const verdict = judgeCharter(signed, trusted);
    switch (verdict.t) {
      case "refused":
        findings.push(
          found("TRUST_CHARTER_REFUSED", "error", {
            subject: hub,
            message: `a charter there: ${verdict.reason}`,
          }),
        );
        break;
      case "conflict":
        findings.push(
          found("TRUST_CHARTER_CONFLICT", "error", {
            subject: hub,
            message: `two charters have number ${verdict.number}`,
          }),
        );
        break;
      case "known":
      case "newer":
        numbers.add(numberOf(signed.bytes));
    }
  }
  return { findings, numbers: [...numbers].sort((left, right) => left - right) };
}

/** Of a charter that verified. */
function numberOf(bytes: Uint8Array): number {
  const { number } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Charter;
  return number;
}

interface OpenHub {
  readonly store: CatalogStore;
  readonly shards: HubShard[];
}

interface Found {
  readonly hub: OpenHub;
  readonly shard: HubShard;
}

async function viewMember(
  member: MemberName,
  about: {
    readonly question: CatalogQuestion;
    readonly trusted: TrustedCharter;
    readonly hubs: readonly OpenHub[];
  },
): Promise<readonly Found[]> {
  const { question, trusted, hubs } = about;
  const { charter, bundle } = trusted;
  const { mesh } = charter;
  const verifier = createVerifier({ mesh, bundle: () => bundle, charter: () => charter });
  const standing: HubShard["standing"] = charterMember(charter, member)?.state ?? "unlisted";
  const judge = {
    mesh,
    verify: verifier.verifySignature,
    checkClaim: (name: MemberName, claim: Parameters<typeof judgeClaim>[1]["claim"]) =>
      judgeClaim(charter, { member: name, claim }),
  };
  const read = await Promise.all(hubs.map((hub) => readShard(hub.store, member, question)));
  return hubs.map((hub, index) => {
    const { snapshot, failure } = read[index] ?? {};
    const view = viewShard(
      member,
      { hub: hub.store.name, snapshot },
      { ...judge, nowMs: question.nowMs() },
    );
    const own = {
      hub: hub.store.name,
      member,
      standing,
      isAbsent: snapshot === undefined,
      failure,
    };
    const findings = [...view.findings, ...absence(own)];
    return { hub, shard: { ...view, findings, standing, content: snapshot?.records } };
  });
}

async function readShard(
  store: CatalogStore,
  member: MemberName,
  question: CatalogQuestion,
): Promise<{ readonly snapshot?: ShardSnapshot | undefined; readonly failure?: string }> {
  try {
    return { snapshot: await store.readSnapshot(member, question.within()) };
  } catch (thrown) {
    return { failure: reasonOf(thrown) };
  }
}

function absence(about: {
  readonly hub: string;
  readonly member: MemberName;
  readonly standing: HubShard["standing"];
  readonly isAbsent: boolean;
  readonly failure: string | undefined;
}): readonly HubFinding[] {
  const subject = `${about.hub} ${about.member}`;
  if (about.failure !== undefined) {
    return [found("HUB_UNREACHABLE", "error", { subject, message: about.failure })];
  }
  // A denied member should have nothing; one that leaves may have taken it away.
  if (!about.isAbsent || about.standing !== "active") return [];
  return [
    found("CATALOG_SHARD_ABSENT", "warning", {
      subject,
      message: "the hub holds nothing of this member",
    }),
  ];
}

/** Hubs hold copies of one shard: where they differ, one is behind or somebody changed it. */
function compareShards(member: MemberName, shards: readonly Found[]): readonly HubFinding[] {
  const good = shards.filter(({ shard }) => shard.state === "fits" || shard.state === "partly");
  const newest = good.reduce<HubShard["head"]>((best, { shard: { head } }) => {
    const isNewer =
      best === undefined ||
      (head !== undefined &&
        (head.epoch > best.epoch || (head.epoch === best.epoch && head.seq > best.seq)));
    return isNewer ? head : best;
  }, undefined);
  if (newest === undefined) return [];
  return shards.flatMap(({ hub, shard }): readonly HubFinding[] => {
    const subject = `${hub.store.name} ${member}`;
    const { head } = shard;
    if (head === undefined) return [];
    if (shard.state === "unfit") return unfitAgainst(subject, shard, good);
    if (shard.state === "refused") return [];
    const isSameSeq = head.epoch === newest.epoch && head.seq === newest.seq;
    if (isSameSeq && head.digest !== newest.digest) {
      const message = `it holds another content of epoch ${head.epoch} seq ${head.seq} than other hubs`;
      return [found("CATALOG_SHARD_CONFLICT", "error", { subject, message })];
    }
    if (isSameSeq) return [];
    const message = `it holds epoch ${head.epoch} seq ${head.seq}, another hub epoch ${newest.epoch} seq ${newest.seq}`;
    return [found("CATALOG_HUB_BEHIND", "warning", { subject, message })];
  });
}

const maxNamedKeys = 5;

/** A digest says that something is wrong; a hub whose copy fits says what. */
function unfitAgainst(
  subject: string,
  shard: HubShard,
  good: readonly Found[],
): readonly HubFinding[] {
  const twin = good.find((one) => one.shard.head?.digest === shard.head?.digest);
  if (twin?.shard.content === undefined || shard.content === undefined) return [];
  const keys = differingKeys(shard.content, twin.shard.content);
  const named = keys.slice(0, maxNamedKeys).map((key) => `"${visible(key, 80)}"`);
  const more = keys.length > maxNamedKeys ? ` and ${keys.length - maxNamedKeys} more` : "";
  const message = `against ${twin.hub.store.name}, these records differ: ${named.join(", ")}${more}`;
  return [found("CATALOG_SHARD_UNFIT", "error", { subject, message })];
}

function unreachable(subject: string, failure: string | undefined): readonly HubFinding[] {
  if (failure === undefined) return [];
  return [found("HUB_UNREACHABLE", "error", { subject, message: failure })];
}

function found(
  code: string,
  severity: HubFinding["severity"],
  texts: { readonly subject: string; readonly message: string },
): HubFinding {
  const message = visible(texts.message, 400);
  return { code, severity, subject: texts.subject, message, remedy: shardRemedies[code] ?? "" };
}
