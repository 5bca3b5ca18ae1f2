import type { CatalogView, HubShard } from "../../app/hub/catalog/catalog-view.ts";
import { recordJson } from "./catalog-records.ts";

/** Stable field names; times are epoch milliseconds. */
export function catalogJson({ charter, hubs, findings }: CatalogView): object {
  return {
    mesh: charter.mesh,
    charter: charter.number,
    hubs: hubs.map(({ hub, failure, charters, shards }) => ({
      hub,
      isReachable: failure === undefined,
      failure,
      charters,
      shards: shards.map(shardJson),
    })),
    findings,
  };
}

function shardJson(shard: HubShard): object {
  const { head, content } = shard;
  const { member, standing, state, records, bytes, signer, isDigestFit, ageMs } = shard;
  const stated = head && {
    epoch: head.epoch,
    seq: head.seq,
    beat: head.beat,
    leaseMs: head.leaseMs,
    timeMs: head.timeMs,
    ageMs,
    buckets: head.buckets,
    digest: head.digest,
    owner: head.owner,
  };
  const listed = content && {
    content: [...content.keys()]
      .sort()
      .map((key) => recordJson(key, content.get(key) ?? new Uint8Array())),
  };
  return { member, standing, state, ...stated, records, bytes, isDigestFit, signer, ...listed };
}
