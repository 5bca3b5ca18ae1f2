import { formatHostPort } from "../../../../mesh/address.ts";
import { MeshError } from "../../../../mesh/errors.ts";
import type { CatalogStore, HubServer, PublishResult } from "../../../shards/store.ts";
import { type Ask, nothingForJunk } from "./asking.ts";
import { createChainMemory } from "./chain-memory.ts";
import { createCharterShelf } from "./charter-shelf.ts";
import {
  decodeStoredHead,
  encodeHead,
  encodePosition,
  entryHeadParts,
  recordsFrom,
} from "./codec.ts";
import { createHeadReader } from "./head-reader.ts";
import { shardKeys } from "./keys.ts";
import { createServerFinder } from "./link/find-server.ts";
import { followHubAccess } from "./link/hub-access.ts";
import { brokenBy, HubFailure, unavailable } from "./link/hub-failure.ts";
import { createHubLink, type HubLink } from "./link/hub-link.ts";
import { parseHubUrl } from "./link/hub-url.ts";
import { type MasterWatch, watchMaster } from "./link/master-watch.ts";
import { createLogReader } from "./log-reader.ts";
import type { HubFailureKind, RedisDeps, RedisHub } from "./redis-hub.ts";
import { bytesOf, listOf, type Reply } from "./replies.ts";
import { scriptOn } from "./script-sender.ts";
import { snapshotScript, writeScript } from "./scripts.ts";

/** Readers that fell back further read the snapshot. A rough bound: Redis cuts whole blocks. */
const maxLogEntries = 1024;
/** As in `remote-shard.ts`, which refuses more. */
const maxShard = { bytes: 67_108_864, records: 100_000 } as const;

/**
 * The longest honest entry has some 10 MB. Memory for several times as much as a reply has is taken while it
 * comes in, and after a longer one each log is read alone.
 */
const maxLogReplyBytes = 33_554_432;

/** What one connection finds is true for all to that server. */
const aboutServer: ReadonlySet<HubFailureKind> = new Set(["silent", "replica", "moved"]);
const siblingLost = new HubFailure("other", "the server was given up", { isFatal: true });

/** Returns at once; the hub need not be reachable. Throws MESH_ADDRESS_INVALID for a wrong url. */
export function openRedisStore(hub: RedisHub, deps: RedisDeps): CatalogStore {
  const { mesh, clock, meter } = deps;
  const url = parseHubUrl(hub.url);
  const finder = createServerFinder(url, mesh);
  const links: HubLink[] = [];
  let server: HubServer | undefined;
  /** Of the connection that asks and writes. */
  const noteServer = (): void => {
    const at = links[0]?.current()?.address;
    const address = at === undefined ? server?.address : formatHostPort(at);
    if (address === undefined || address === server?.address) return;
    server = { address, sinceMs: clock.nowMs() };
  };
  const access = followHubAccess(hub, {
    timers: deps.timers,
    onChange: () => {
      for (const link of links) link.renew();
    },
  });
  const openLink = (limits: { readonly maxReplyBytes?: number } = {}): HubLink => {
    const link = createHubLink({
      ...deps,
      ...limits,
      hub: hub.name,
      finder,
      access,
      isTls: url.isTls,
      onChange: () => {
        const up = links.filter((one) => one.current() !== undefined).length;
        meter?.connections(hub.name, up);
        noteServer();
      },
      onFailure: (failure) => {
        if (failure !== siblingLost) meter?.failed(hub.name, failure.kind);
        if (!aboutServer.has(failure.kind)) return;
        // A blocked connection learns it last.
        for (const other of links) if (other !== link) other.current()?.close(siblingLost);
      },
      onRefusal: (failure) => meter?.failed(hub.name, failure.kind),
    });
    links.push(link);
    return link;
  };
  const commands = openLink();
  // A blocked connection answers nothing else.
  const blocking = openLink({ maxReplyBytes: maxLogReplyBytes });
  const watch: MasterWatch = watchMaster({ ...deps, finder, access, isTls: url.isTls, links });
  const chains = createChainMemory();
  const write = scriptOn(writeScript);
  const snapshot = scriptOn(snapshotScript, "_RO");

  /** The one place where a failure becomes what callers know. */
  const ask: Ask = async (call, doing, options) => {
    const startedMs = clock.monotonicMs();
    try {
      const result = await (options.link ?? commands).use(options.run, options.signal);
      const seconds = (clock.monotonicMs() - startedMs) / 1000;
      if (call !== "log") meter?.called(hub.name, call, seconds);
      return result;
    } catch (thrown) {
      if (options.signal.aborted) throw options.signal.reason;
      if (thrown instanceof MeshError) throw thrown;
      const failure = brokenBy(thrown);
      // A lost connection was counted where it was lost.
      if (!failure.isFatal) meter?.failed(hub.name, failure.kind);
      throw unavailable({ hub: hub.name, doing }, failure);
    }
  };

  const charters = createCharterShelf({ mesh, ask });
  const readHeads = createHeadReader({ mesh, chains, ask });
  const log = createLogReader({
    mesh,
    timers: deps.timers,
    clock,
    chains,
    ask,
    blocking,
    readHeads,
  });

  return {
    name: hub.name,
    publish: (shard, signal) => {
      const keys = shardKeys(mesh, shard.member);
      chains.learn(shard.head);
      const { sharedBytes, chainName } = entryHeadParts(shard.head);
      const pairs = [...shard.changed].flatMap(([key, record]) => [key, bufferOf(record)]);
      return ask("publish", `write the shard of "${shard.member}"`, {
        signal,
        run: async (connection) => {
          const reply = await write(connection)(
            [keys.head, keys.records, keys.log],
            [
              shard.t,
              encodePosition(shard.expected),
              encodePosition(shard.position),
              encodeHead(shard.head),
              sharedBytes,
              chainName,
              maxLogEntries,
              shard.changed.size,
              ...pairs,
              ...shard.removed,
            ],
          );
          return publishResult(reply);
        },
      });
    },
    readSnapshot: (member, signal) => {
      const keys = shardKeys(mesh, member);
      return ask("snapshot", `read the shard of "${member}"`, {
        signal,
        run: async (connection) => {
          const args = [maxShard.bytes, maxShard.records];
          const reply = await snapshot(connection)([keys.head, keys.records], args).catch(
            nothingForJunk,
          );
          const [value, flat] = listOf(reply);
          const stored = Buffer.isBuffer(value) ? decodeStoredHead(value) : undefined;
          if (stored === undefined) return undefined;
          chains.learn(stored.head);
          return { records: recordsFrom(bytesOf(flat)), head: stored.head, cursor: stored.cursor };
        },
      });
    },
    readHeads: async (members, options) => {
      const heads = await readHeads(members, options);
      charters.know(members);
      return heads;
    },
    readLog: log.read,
    readCharters: charters.read,
    putCharter: charters.put,
    refusal: () => links.map((link) => link.refusal()).find((one) => one !== undefined),
    server: () => (commands.current() === undefined ? undefined : server),
    [Symbol.asyncDispose]: async () => {
      access.close();
      await watch.close();
      await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
    },
  };
}

function publishResult(reply: Reply): PublishResult {
  if (reply === 1) return { t: "stored" };
  if (!Buffer.isBuffer(reply)) throw new HubFailure("junk", "its answer makes no sense");
  const stored = decodeStoredHead(reply);
  if (stored === undefined) return { t: "moved", held: undefined };
  return { t: "moved", held: { position: stored.position, head: stored.head } };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
