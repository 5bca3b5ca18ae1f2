// Hubs in memory that hold shards signed by real certificates, right or wrong.
import { sign as signBytes } from "node:crypto";
import {
  type CatalogView,
  type HubToView,
  viewCatalog,
} from "../../../../src/app/hub/catalog/catalog-view.ts";
import { realTimers } from "../../../../src/app/real-time.ts";
import {
  createMemoryHub,
  type MemoryHub,
} from "../../../../src/discovery/io/catalog/memory-store.ts";
import { createBuckets } from "../../../../src/discovery/shards/buckets.ts";
import { createHeadSigner, type Head } from "../../../../src/discovery/shards/head.ts";
import {
  type CatalogRecord,
  encodeRecord,
  schemas,
} from "../../../../src/discovery/shards/records.ts";
import type { CatalogStore, RawRecords } from "../../../../src/discovery/shards/store.ts";
import {
  infrastructureSpiffeId,
  type MemberName,
  parseServiceId,
  parseSpiffeId,
  trustDomainOf,
} from "../../../../src/mesh/ids.ts";
import { newPrivateKey } from "../../../../src/trust/io/new-key.ts";
import { issueSvid } from "../../../../src/trust/issue.ts";
import { spkiOf } from "../../../../src/trust/keys.ts";
import { type MadeAuthority, type MadeMesh, mesh, nowMs } from "../../../trust/made.ts";

export type HeadChange = Partial<Head>;

/** Writes shards of one member with its catalog identity, or with one that is not its own. */
export interface ShardWriter {
  readonly put: (
    store: CatalogStore,
    records: RawRecords,
    options?: {
      readonly head?: HeadChange;
      /** What the hub gets instead of what was signed. */
      readonly instead?: RawRecords;
    },
  ) => Promise<void>;
}

export async function writerOf(
  member: MemberName,
  issuer: MadeAuthority,
  options: {
    readonly role?: "catalog" | "agent";
    readonly speaksFor?: MemberName;
    readonly lifeMs?: number;
  } = {},
): Promise<ShardWriter> {
  const key = newPrivateKey();
  const id = infrastructureSpiffeId(trustDomainOf(member, mesh), options.role ?? "catalog");
  const life = options.lifeMs === undefined ? {} : { lifeMs: options.lifeMs };
  const leaf = await issueSvid({ issuer, id, spki: spkiOf(key), nowMs, ...life });
  const chain = [leaf.der, issuer.certificate.der];
  const signHead = createHeadSigner(async (bytes) => ({
    bytes: signBytes("sha256", bytes, key),
    chain,
  }));
  const name = options.speaksFor ?? member;
  return {
    put: async (store, records, { head: change = {}, instead = records } = {}) => {
      const buckets = createBuckets(records);
      const head: Head = {
        mesh,
        member: name,
        epoch: nowMs,
        seq: 1,
        beat: 1,
        leaseMs: 10_000,
        buckets: buckets.count(),
        digest: buckets.digest(),
        timeMs: nowMs,
        owner: { instance: "one", host: "vm-1" },
        ...change,
      };
      const { epoch, seq, digest } = head;
      const position = { epoch, seq, digest };
      const signed = await signHead(head);
      const write = {
        t: "whole",
        member: name,
        position,
        changed: instead,
        removed: [],
        head: signed,
      } as const;
      await store.publish({ ...write, expected: undefined }, new AbortController().signal);
    },
  };
}

export function recordsOf(...records: readonly CatalogRecord[]): Map<string, Uint8Array> {
  return new Map(records.map((record) => [keyOf(record), encodeRecord(record)]));
}

function keyOf(record: CatalogRecord): string {
  switch (record.t) {
    case "member":
      return "member";
    case "service":
      return `service/${record.id}`;
    case "endpoints":
      return `endpoints/${record.id}/${record.slice}`;
  }
}

export const memberRecord: CatalogRecord = {
  t: "member",
  software: "0.0.0",
  schemas,
  gateways: [{ host: "10.1.0.7", port: 15_443 }],
};

export function cartOf(member: MemberName, id = "shop/cart"): CatalogRecord {
  return {
    t: "service",
    id: parseServiceId(id),
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP" }],
    createdAtMs: 1,
    identities: [parseSpiffeId(`spiffe://${trustDomainOf(member, mesh)}/ns/shop/sa/cart`)],
    zones: [{ zone: "a", healthy: 2, total: 2 }],
  };
}

export function memoryHub(name: string): MemoryHub {
  return createMemoryHub({ name, timers: realTimers });
}

export function view(
  made: MadeMesh,
  stores: readonly CatalogStore[],
  options: {
    readonly members?: readonly MemberName[];
    readonly atMs?: number;
    readonly withContent?: boolean;
    readonly peek?: HubToView["peek"] & {};
  } = {},
): Promise<CatalogView> {
  return viewCatalog({
    hubs: stores.map((store) => ({ store, ...(options.peek && { peek: options.peek }) })),
    trusted: made.charter,
    members: options.members ?? [],
    withContent: options.withContent ?? false,
    nowMs: () => options.atMs ?? nowMs,
    within: () => new AbortController().signal,
  });
}
