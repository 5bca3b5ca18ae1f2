import type {
  CatalogStore,
  PublishResult,
  ShardPosition,
  ShardWrite,
  SignedHead,
} from "../../../../../src/discovery/shards/store.ts";
import { type MemberName, parseMemberName } from "../../../../../src/mesh/ids.ts";

export const east: MemberName = parseMemberName("east");
export const west: MemberName = parseMemberName("west");
export const noSignal: AbortSignal = new AbortController().signal;

export function at(epoch: number, seq: number): ShardPosition {
  return { epoch, seq, digest: `${epoch}/${seq}` };
}

function headOf(text: string): SignedHead {
  const signature = { bytes: Buffer.from("sig"), chain: [Buffer.from("leaf"), Buffer.from("ca")] };
  return { bytes: Buffer.from(text), signature };
}

export function writeOf(
  t: ShardWrite["t"],
  step: {
    readonly from?: ShardPosition;
    readonly to: ShardPosition;
    readonly changed?: Readonly<Record<string, string>>;
    readonly removed?: readonly string[];
    readonly member?: MemberName;
  },
): ShardWrite {
  const pairs = Object.entries(step.changed ?? {});
  return {
    t,
    member: step.member ?? east,
    expected: step.from,
    position: step.to,
    changed: new Map(pairs.map(([key, text]) => [key, Buffer.from(text)])),
    removed: step.removed ?? [],
    head: headOf(`${step.to.epoch}/${step.to.seq}`),
  };
}

/** Whatever is held, it is this afterwards. */
export async function force(
  store: CatalogStore,
  step: { readonly to: ShardPosition; readonly changed: Readonly<Record<string, string>> },
): Promise<PublishResult> {
  const first = await store.publish(writeOf("whole", step), noSignal);
  if (first.t === "stored" || first.held === undefined) return first;
  return store.publish(writeOf("whole", { ...step, from: first.held.position }), noSignal);
}

export async function recordsIn(
  store: CatalogStore,
  member: MemberName = east,
): Promise<Record<string, string> | undefined> {
  const snapshot = await store.readSnapshot(member, noSignal);
  if (snapshot === undefined) return undefined;
  return Object.fromEntries(
    [...snapshot.records].map(([key, bytes]) => [key, Buffer.from(bytes).toString()]),
  );
}

/** Tries until it works, as the callers of a store do; throws the last reason after 20 s. */
export async function eventually<Result>(run: () => Promise<Result>): Promise<Result> {
  const deadlineMs = performance.now() + 20_000;
  for (;;) {
    try {
      return await run();
    } catch (thrown) {
      if (performance.now() > deadlineMs) throw thrown;
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
  }
}
