import { randomBytes } from "node:crypto";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { TrustDomain } from "../../mesh/ids.ts";
import type { Clock } from "../../mesh/ports.ts";
import type { Secret } from "../../mesh/secret.ts";
import {
  checkJoinToken,
  type JoinTokenRecord,
  type JoinWish,
  refusal,
  unknownToken,
} from "../join/join-grant.ts";
import { joinTokenText, parseJoinToken, parseJoinTokenId, secretHash } from "../join/join-token.ts";
import {
  idsIn,
  isRevoked,
  peekUses,
  readAll,
  readRecord,
  removeToken,
  reserveUse,
  tokensDir,
  writeRevoked,
  writeToken,
} from "./join-token-files.ts";
import { checkOwned } from "./private-folder.ts";

/** What a new token is bound to. */
export type NewJoinToken = Pick<JoinTokenRecord, "grant" | "uses" | "from"> & {
  readonly ttlMs: number;
  /** Of the root that the agent proves itself under. Hex. */
  readonly rootSpkiSha256: string;
  /** The agent's own. */
  readonly trustDomain: TrustDomain;
};

// Long enough to say why it is refused, and to look after whoever used it.
const keptMs = 7 * 86_400_000;
// Each costs a file; more of them are a script that has gone wrong.
const maxTokens = 10_000;

/**
 * Makes a token in an agent's state folder, and forgets those that ended a week ago. Throws
 * MESH_FILE_UNREADABLE, and MESH_USAGE when there are too many.
 */
export async function createJoinToken(
  snapshotDir: string,
  options: { readonly wish: NewJoinToken; readonly nowMs: number },
): Promise<{ readonly text: Secret; readonly record: JoinTokenRecord }> {
  const { wish, nowMs } = options;
  const { ttlMs, rootSpkiSha256, trustDomain, ...bound } = wish;
  await sweep(tokensDir(snapshotDir), nowMs);
  const text = joinTokenText({ random: randomBytes(40), rootSpkiSha256, trustDomain });
  const token = parseJoinToken(text);
  const record: JoinTokenRecord = {
    id: token.id,
    secretSha256: secretHash(token),
    ...bound,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + ttlMs,
  };
  await writeToken(snapshotDir, record);
  return { text, record };
}

async function sweep(dir: string, nowMs: number): Promise<void> {
  if ((await idsIn(dir)).length === 0) return;
  const { tokens } = await readAll(dir);
  const ended = tokens.filter(({ record }) => record.expiresAtMs + keptMs < nowMs);
  for (const { record } of ended) await removeToken(dir, record.id);
  if (tokens.length - ended.length < maxTokens) return;
  const truth = `there are ${maxTokens} already; those that ended are forgotten after a week`;
  throw new MeshError("MESH_USAGE", `Cannot create token: ${truth}`);
}

/**
 * Takes a token back; what it bought stays good until it ends. False: it was revoked before. Throws
 * MESH_NOT_FOUND and MESH_FILE_UNREADABLE.
 */
export async function revokeJoinToken(
  snapshotDir: string,
  options: { readonly id: string; readonly nowMs: number },
): Promise<boolean> {
  const dir = tokensDir(snapshotDir);
  const id = parseJoinTokenId(options.id);
  if ((await readRecord(dir, id)) === undefined) {
    throw new MeshError("MESH_NOT_FOUND", `Cannot revoke token "${id}": there is none in ${dir}`);
  }
  if (await isRevoked(dir, id)) return false;
  try {
    await writeRevoked(dir, id, options.nowMs);
    return true;
  } catch (cause) {
    const truth = `Cannot revoke token "${id}": ${reasonOf(cause)}`;
    throw new MeshError("MESH_FILE_UNREADABLE", truth, { cause });
  }
}

/** A token that is good, for all that is known before a use of it is taken. */
export interface GoodToken {
  readonly record: JoinTokenRecord;
  /**
   * Takes a use for this key (SHA-256 of its SubjectPublicKeyInfo, hex), or the one that it took before: who
   * lost the answer asks again. Throws MESH_JOIN_TOKEN_{USED,UNPROVEN}.
   */
  readonly take: (keySha256: string) => Promise<void>;
}

/** The tokens of one agent. Any number of processes may work on one folder. */
export class JoinTokens {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #hasOthers: boolean;
  /** The end of the line for each token: those that stand in it need not race for the same use. */
  readonly #lines = new Map<string, Promise<unknown>>();
  /** By token and key. */
  readonly #unsynced = new Map<string, Promise<void>>();

  constructor(options: {
    readonly snapshotDir: string;
    readonly clock: Clock;
    /** Whether the member has other agents, which keep tokens of their own. */
    readonly hasOthers: boolean;
  }) {
    this.#dir = tokensDir(options.snapshotDir);
    this.#clock = options.clock;
    this.#hasOthers = options.hasOthers;
  }

  /** Throws MESH_JOIN_TOKEN_…: all but USED. */
  async check(
    text: Secret,
    shown: { readonly address: string; readonly wish: JoinWish },
  ): Promise<GoodToken> {
    const token = parseJoinToken(text);
    const { id } = token;
    const [record, revoked] = await this.#reading(id, async () => {
      // Who may put tokens there may let anybody in.
      await checkOwned(this.#dir);
      return await Promise.all([readRecord(this.#dir, id), isRevoked(this.#dir, id)]);
    });
    if (record === undefined) throw this.#absent(id);
    const nowMs = this.#clock.nowMs();
    checkJoinToken(record, { token, isRevoked: revoked, ...shown, nowMs });
    const { address } = shown;
    return { record, take: (keySha256) => this.#take(record, { address, keySha256 }) };
  }

  #absent(id: string): MeshError {
    return this.#hasOthers
      ? refusal({ id }, "ELSEWHERE", "another agent of this member may have it, this one has not")
      : unknownToken(id);
  }

  async #take(
    record: JoinTokenRecord,
    by: { readonly address: string; readonly keySha256: string },
  ): Promise<void> {
    const { id } = record;
    const before = this.#lines.get(id) ?? Promise.resolve();
    const own = before.then(() => this.#reading(id, () => this.#reserve(record, by)));
    const end = own.catch(() => undefined);
    this.#lines.set(id, end);
    const kept = await own.finally(() => {
      if (this.#lines.get(id) === end) this.#lines.delete(id);
    });
    // Outside of the line: the disk is the slowest part, and takes many at once.
    await this.#reading(id, () => kept.onDisk);
  }

  async #reserve(
    { id, uses }: JoinTokenRecord,
    by: { readonly address: string; readonly keySha256: string },
  ): Promise<{ readonly onDisk: Promise<void> }> {
    const { keySha256 } = by;
    const { taken, hasKey } = await peekUses(this.#dir, { id, keySha256 });
    const key = `${id} ${keySha256}`;
    if (hasKey) return { onDisk: this.#unsynced.get(key) ?? Promise.resolve() };
    const use = { atMs: this.#clock.nowMs(), ...by };
    for (let number = 1; number <= uses; number += 1) {
      if (taken.has(`use-${number}`)) continue;
      const reserved = await reserveUse(this.#dir, { id, number, use });
      if (reserved === undefined) continue;
      const onDisk = reserved.keep().finally(() => this.#unsynced.delete(key));
      this.#unsynced.set(key, onDisk);
      // Whoever awaits it is told.
      onDisk.catch(() => undefined);
      return { onDisk };
    }
    const times = uses === 1 ? "once" : `${uses} times`;
    throw refusal({ id }, "USED", `it may be used ${times}, and was`);
  }

  /** What the disk refuses is no word on the token. */
  async #reading<T>(id: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (cause) {
      if (cause instanceof MeshError && cause.code === "MESH_JOIN_TOKEN_USED") throw cause;
      throw refusal({ id }, "UNPROVEN", `its file cannot be used: ${reasonOf(cause)}`, cause);
    }
  }
}
