import type { CatalogStore, RawRecords, ShardSnapshot } from "../../../discovery/shards/store.ts";
import { type Charter, charterMember, type MemberStanding } from "../../../mesh/charter.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import type { TrustedCharter } from "../../../trust/charter.ts";
import { judgeClaim } from "../../../trust/claims.ts";
import { createVerifier } from "../../../trust/verifier.ts";
import type { HubFinding } from "../hub-finding.ts";
import { catalogFinding } from "./catalog-finding.ts";
import { type CharterOffer, chartersIn, judgeOffer, newestCharter } from "./charter-offers.ts";
import { compareShards, type HubCopy } from "./compare-shards.ts";
import type { HubPeek } from "./peek-hub.ts";
import { type ShardJudge, type ShardView, viewShard } from "./shard-view.ts";

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

/** A hub to look into. */
export interface HubToView {
  readonly store: CatalogStore;
  /** What else stands there; absent: nobody can say. */
  readonly peek?: (about: {
    readonly mesh: MeshDomain;
    readonly members: readonly MemberName[];
  }) => Promise<HubPeek>;
}

export interface CatalogQuestion {
  readonly hubs: readonly HubToView[];
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
  const offers = await Promise.all(
    question.hubs.map(({ store }) => chartersIn(store, question.within())),
  );
  const trusted = newestCharter(question.trusted, offers);
  const { charter } = trusted;
  const listed = charter.members.map(({ name }) => name);
  const members = question.members.length > 0 ? question.members : listed;
  const hubs = await Promise.all(
    question.hubs.map(
      async (hub, index) => await openHub(hub, { offer: offers[index], trusted, members }),
    ),
  );
  const readable = hubs.filter(({ failure }) => failure === undefined);
  const differences: HubFinding[] = [];
  // One member after the other: never more than one shard of each hub in memory.
  for (const member of members) {
    const copies = await Promise.all(
      readable.map(async (hub) => await viewCopy(hub, { member, trusted, question })),
    );
    differences.push(...compareShards(member, copies));
    for (const [index, { view, content }] of copies.entries()) {
      const standing = charterMember(charter, member)?.state ?? "unlisted";
      const kept = question.withContent ? content : undefined;
      readable[index]?.shards.push({ ...view, standing, content: kept });
    }
  }
  const ofShards = hubs.flatMap(({ shards }) => shards.flatMap(({ findings }) => findings));
  return {
    charter,
    hubs: hubs.map(({ store, failure, charters, shards }) => ({
      hub: store.name,
      failure,
      charters,
      shards,
    })),
    findings: [...hubs.flatMap((hub) => hub.findings), ...ofShards, ...differences],
  };
}

interface OpenHub extends Pick<HubView, "failure" | "charters"> {
  readonly store: CatalogStore;
  readonly peeked: HubPeek | undefined;
  readonly shards: HubShard[];
  /** About the hub itself. */
  readonly findings: readonly HubFinding[];
}

async function openHub(
  { store, peek }: HubToView,
  about: {
    readonly offer: CharterOffer | undefined;
    readonly trusted: TrustedCharter;
    readonly members: readonly MemberName[];
  },
): Promise<OpenHub> {
  const { offer = { hub: store.name, charters: [], failure: undefined }, trusted, members } = about;
  const { charter } = trusted;
  const { failure } = offer;
  const judged = judgeOffer(offer, trusted);
  const peeked = failure === undefined ? await peek?.({ mesh: charter.mesh, members }) : undefined;
  const unknown = strangers(store.name, { charter, named: peeked?.named ?? [] });
  const findings = [...judged.findings, ...unknown];
  return { store, peeked, failure, charters: judged.numbers, shards: [], findings };
}

const maxNamedMembers = 10;

function strangers(
  subject: string,
  about: { readonly charter: Charter; readonly named: readonly MemberName[] },
): readonly HubFinding[] {
  const unknown = about.named.filter((name) => charterMember(about.charter, name) === undefined);
  if (unknown.length === 0) return [];
  const rest = unknown.length - maxNamedMembers;
  const more = rest > 0 ? `, and ${rest} more` : "";
  const listed = unknown.slice(0, maxNamedMembers).join(", ");
  const message = `it holds keys of members that the charter does not have: ${listed}${more}`;
  return [catalogFinding("CATALOG_MEMBER_UNKNOWN", "warning", { subject, message })];
}

const junk = "what stands under its keys is no shard, or larger than any honest one";

async function viewCopy(
  { store, peeked }: OpenHub,
  about: {
    readonly member: MemberName;
    readonly trusted: TrustedCharter;
    readonly question: CatalogQuestion;
  },
): Promise<HubCopy> {
  const { member, trusted, question } = about;
  const hub = store.name;
  const { snapshot, failure } = await readShard(store, member, question.within());
  const view = viewShard(member, { hub, snapshot }, judgeOf(trusted, question.nowMs()));
  const copy: HubCopy = { hub, view, content: snapshot?.records };
  const withFinding = (state: ShardView["state"], finding: HubFinding): HubCopy => ({
    ...copy,
    view: { ...view, state, findings: [...view.findings, finding] },
  });
  const subject = `${hub} ${member}`;
  if (failure !== undefined) {
    const away = catalogFinding("HUB_UNREACHABLE", "error", { subject, message: failure });
    return withFinding("absent", away);
  }
  if (snapshot !== undefined) return copy;
  if (peeked?.present.has(member) === true) {
    const unfit = catalogFinding("CATALOG_SHARD_UNFIT", "error", { subject, message: junk });
    return withFinding("unfit", unfit);
  }
  // A denied member should have nothing; one that leaves may have taken it away.
  if (charterMember(trusted.charter, member)?.state !== "active") return copy;
  const message = "the hub holds nothing of this member";
  return withFinding(
    "absent",
    catalogFinding("CATALOG_SHARD_ABSENT", "warning", { subject, message }),
  );
}

async function readShard(
  store: CatalogStore,
  member: MemberName,
  signal: AbortSignal,
): Promise<{ readonly snapshot?: ShardSnapshot | undefined; readonly failure?: string }> {
  try {
    return { snapshot: await store.readSnapshot(member, signal) };
  } catch (thrown) {
    return { failure: reasonOf(thrown) };
  }
}

/** The ports that an agent has, by this charter. */
function judgeOf({ charter, bundle }: TrustedCharter, nowMs: number): ShardJudge {
  const { mesh } = charter;
  const verifier = createVerifier({ mesh, bundle: () => bundle, charter: () => charter });
  return {
    mesh,
    verify: verifier.verifySignature,
    checkClaim: (member, claim) => judgeClaim(charter, { member, claim }),
    nowMs,
  };
}
