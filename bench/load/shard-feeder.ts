import { realTimers } from "../../src/app/real-time.ts";
import type { CatalogWriter } from "../../src/discovery/io/catalog/catalog-writer.ts";
import { createCatalogWriter } from "../../src/discovery/io/catalog/catalog-writer.ts";
import type { OwnShard } from "../../src/discovery/publish/own-shard.ts";
import { createOwnShard } from "../../src/discovery/publish/own-shard.ts";
import { schemas } from "../../src/discovery/shards/records.ts";
import type { CatalogStore } from "../../src/discovery/shards/store.ts";
import { holderOf } from "../../src/mesh/holder.ts";
import type { MemberName } from "../../src/mesh/ids.ts";
import type { Clock, Log } from "../../src/mesh/ports.ts";
import { createAgentIdentities } from "../../src/trust/io/agent-identities.ts";
import { loadMember, type MemberFiles } from "../../src/trust/io/member-files.ts";
import { createVerifier } from "../../src/trust/verifier.ts";
import { startFakeGateway } from "./fake-gateway.ts";
import { type RemotePlan, remoteService } from "./made-services.ts";
import { remoteNames, trustDir } from "./mesh-files.ts";

/** Stands in for the agents of remote members: their shards, their signatures, their leases. */
export interface ShardFeeder extends AsyncDisposable {
  /** Every shard is in every hub. */
  readonly whenFed: Promise<void>;
  /** A zone of one export of that member is lost, or comes back: goes out at once. */
  readonly turn: (at: { readonly member: number; readonly index: number }) => void;
}

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const leaseMs = 10_000;

export async function feedShards(options: {
  readonly dir: string;
  readonly remotes: number;
  readonly plan: RemotePlan;
  /** Of all gateways, each on an address of its own. */
  readonly gatewayPort: number;
  readonly stores: readonly CatalogStore[];
  readonly log: Log;
}): Promise<ShardFeeder> {
  const closing = new AbortController();
  const opened = new AsyncDisposableStack();
  const names = remoteNames(options.remotes);
  const feeds: Feed[] = [];
  for (const name of names) feeds.push(await feedOf(name, { ...options, signal: closing.signal }));
  for (const [member, feed] of feeds.entries()) {
    const { services } = options.plan;
    const all = Array.from({ length: services }, (_, index) =>
      remoteService(options.plan, { member, index }),
    );
    const gateways = gatewaysOf(options.plan, { member, port: options.gatewayPort });
    for (const at of gateways) opened.use(await startFakeGateway(feed.files, at));
    const record = { t: "member", software: "bench", schemas, gateways } as const;
    feed.shard.stageMember(record, clock.monotonicMs());
    feed.shard.stageAll(all, clock.monotonicMs());
    feed.writer.kick();
  }
  const down = new Set<string>();
  return {
    whenFed: untilFed(feeds),
    turn: ({ member, index }) => {
      const feed = feeds[member];
      if (feed === undefined) throw new RangeError(`there is no member ${member}`);
      const key = `${member} ${index}`;
      const isBack = down.delete(key);
      if (!isBack) down.add(key);
      const service = remoteService(options.plan, {
        member,
        index,
        ...(isBack ? {} : { downZone: "a" }),
      });
      feed.shard.stage({ upserts: [service], removed: [] }, clock.monotonicMs());
      feed.writer.kick();
    },
    [Symbol.asyncDispose]: async () => {
      await opened.disposeAsync();
      await Promise.all(feeds.map((feed) => feed.writer.close()));
      closing.abort(new Error("the feeder is closing"));
      await Promise.all(options.stores.map((store) => store[Symbol.asyncDispose]()));
    },
  };
}

interface Feed {
  readonly files: MemberFiles;
  readonly writer: CatalogWriter;
  readonly shard: OwnShard;
}

async function feedOf(
  member: MemberName,
  options: {
    readonly dir: string;
    readonly stores: readonly CatalogStore[];
    readonly log: Log;
    readonly signal: AbortSignal;
  },
): Promise<Feed> {
  const { log, signal } = options;
  const files = await loadMember(trustDir(options.dir, member));
  const { mesh, trustDomain, bundle, charter } = files;
  const parts = { clock, random: Math.random, log, signal };
  const identities = await createAgentIdentities({
    issuer: holderOf(files.issuer),
    trustDomain,
    bundle: () => bundle,
    ...parts,
  });
  const verifier = createVerifier({ mesh, bundle: () => bundle, charter: () => charter.charter });
  const shard = createOwnShard({ exportOptions: () => ({ trustDomain, isNetworkShared: false }) });
  const writer = createCatalogWriter({
    mesh,
    member,
    owner: { instance: `feeder-of-${member}`, host: "bench" },
    stores: options.stores,
    sign: identities.sign,
    verify: verifier.verifySignature,
    clock,
    timers: realTimers,
    log,
    leaseMs,
    timeoutMs: 10_000,
    epoch: 0,
    saveEpoch: () => Promise.resolve(),
    rebase: () => Promise.resolve(shard),
    onPublished: () => {},
  });
  await writer.claim(signal);
  writer.begin(shard);
  return { files, writer, shard };
}

function gatewaysOf(
  plan: RemotePlan,
  of: { readonly member: number; readonly port: number },
): readonly { readonly host: string; readonly port: number }[] {
  return Array.from({ length: plan.gateways }, (_, index) => ({
    host: `127.${of.member + 1}.0.${index + 1}`,
    port: of.port,
  }));
}

/** Polls: nothing says when a hub has taken a shard. */
async function untilFed(feeds: readonly Feed[]): Promise<void> {
  const isFed = ({ writer }: Feed): boolean =>
    writer.status().hubs.every((hub) => hub.state === "synced");
  while (!feeds.every(isFed)) await new Promise((resolve) => setTimeout(resolve, 20));
}
