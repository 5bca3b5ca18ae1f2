import type { Charter, SignedCharter } from "../../../mesh/charter.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { Log } from "../../../mesh/ports.ts";
import type { Bundle } from "../../../trust/bundle.ts";
import { type CharterVerdict, signCharter, type TrustedCharter } from "../../../trust/charter.ts";
import type { Issuer } from "../../../trust/issue.ts";
import { charterSignerOf, issuingRootOf } from "../../../trust/root-rotation/issuing-root.ts";
import type { Signer } from "../../../trust/signer.ts";

/** From the charter in force to the next: pure edits as in `trust/charter-edit.ts`. */
export type CharterEdit = (current: Charter) => Charter | Promise<Charter>;

/** The one place of an agent where charters are raised, and taken that were raised elsewhere. */
export interface CharterDesk {
  /** Whether this agent may use the root. */
  readonly canSign: boolean;
  readonly current: () => TrustedCharter;
  /**
   * Has the edited charter signed, written to disk, in force here, and on its way to all hubs, in this
   * order. Calls run one after the other; an edit is made again when another charter came into force
   * meanwhile, so it must not have effects. Throws what the edit throws, MESH_TRUST_SIGNER_MISSING,
   * MESH_TRUST_CHARTER_CONFLICT, and as the disk and the signer do: then nothing has changed.
   */
  readonly raise: (edit: CharterEdit, options?: RaiseOptions) => Promise<TrustedCharter>;
  /**
   * Takes a charter that the root signed elsewhere, as if a hub had brought it. Throws
   * MESH_TRUST_CHARTER_REFUSED and MESH_TRUST_CHARTER_CONFLICT.
   */
  readonly hand: (signed: SignedCharter) => Promise<TrustedCharter>;
  /**
   * The root that certifies issuers now, as the charter in force has it; `above` goes with what it signs. Throws
   * MESH_TRUST_SIGNER_MISSING and as opening the key does.
   */
  readonly root: () => Promise<Issuer>;
}

export interface RaiseOptions {
  /** Another root than `trust.signer`; both the charter in force and the next have to trust it. */
  readonly signer?: Signer;
}

export interface CharterDeskParts {
  /**
   * Opens that key of a root of which `isWanted` says so, and any where there is none; absent: this agent may use
   * none.
   */
  readonly signer: ((isWanted: (keyId: string) => boolean) => Promise<Signer>) | undefined;
  readonly current: () => TrustedCharter;
  /** Writes it beside the member's keys; throws when that fails. */
  readonly save: (charter: TrustedCharter) => Promise<void>;
  /** Judges it as one from a hub; a newer one is in force here and sent to hubs when this returns. */
  readonly offer: (signed: SignedCharter) => CharterVerdict;
  readonly log: Log;
}

// Charters are raised a few times a day. Whoever loses this often has a rival that never rests.
const maxTries = 5;

export function createCharterDesk(parts: CharterDeskParts): CharterDesk {
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = async <T>(run: () => Promise<T>): Promise<T> => {
    const own = queue.then(run, run);
    queue = own.catch(() => undefined);
    return await own;
  };
  return {
    canSign: parts.signer !== undefined,
    current: parts.current,
    raise: async (edit, options = {}) =>
      await inTurn(async () => await raise(edit, { parts, ...options })),
    hand: async (signed) => await inTurn(async () => hand(signed, parts)),
    root: async () => {
      const { charter, bundle } = parts.current();
      const issuing = issuingRootOf(charter);
      const signer = await signerOf(parts, isAnyOf(bundle, issuing?.spkiSha256));
      const { roots } = bundle;
      const certificate = roots.find((root) => root.spkiSha256 === signer.keyId);
      if (certificate !== undefined) return { certificate, signer, above: issuing?.above ?? [] };
      throw new MeshError(
        "MESH_TRUST_SIGNER_MISSING",
        "Cannot use the root: the key of trust.signer is not that of a root in the charter",
      );
    },
  };
}

async function raise(
  edit: CharterEdit,
  { parts, ...options }: RaiseOptions & { readonly parts: CharterDeskParts },
): Promise<TrustedCharter> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const before = parts.current();
    const edited = await edit(before.charter);
    const isWanted = isAnyOf(before.bundle, charterSignerOf(edited));
    const signer = options.signer ?? (await signerOf(parts, isWanted));
    const next = await signCharter(edited, signer);
    // Signed and unseen by anybody: a number is used up only by what has left this function.
    if (parts.current() !== before) continue;
    await parts.save(next);
    const verdict = parts.offer(next.signed);
    if (verdict.t === "newer") {
      parts.log.info({ charter: next.charter.number }, "Charter raised");
      return verdict.charter;
    }
    if (verdict.t === "refused") throw refusedBy(verdict.reason);
    // A hub brought another one while ours was written: that one is written after it, and counts.
  }
  const { number } = parts.current().charter;
  throw conflict(`others raise charters at the same time; the one in force has number ${number}`);
}

function hand(signed: SignedCharter, parts: CharterDeskParts): TrustedCharter {
  const verdict = parts.offer(signed);
  const { number } = parts.current().charter;
  switch (verdict.t) {
    case "newer":
      return verdict.charter;
    case "known":
      if (Buffer.compare(parts.current().signed.bytes, signed.bytes) === 0) return parts.current();
      throw conflict(`its number is not above ${number}, which is in force; make it from that one`);
    case "conflict":
      throw conflict(
        `another charter with number ${number} is in force already: fetch that one, and make the change again`,
      );
    case "refused":
      throw refusedBy(verdict.reason);
  }
}

/** While a rotation says which root it has to be, that one. */
function isAnyOf({ roots }: Bundle, one: string | undefined): (keyId: string) => boolean {
  if (one !== undefined) return (keyId) => keyId === one;
  return (keyId) => roots.some(({ spkiSha256 }) => spkiSha256 === keyId);
}

async function signerOf(
  { signer }: CharterDeskParts,
  isWanted: (keyId: string) => boolean,
): Promise<Signer> {
  if (signer !== undefined) return await signer(isWanted);
  throw new MeshError(
    "MESH_TRUST_SIGNER_MISSING",
    "Cannot raise the charter: this agent has no trust.signer; ask one that has, or use --dir with the root's folder",
  );
}

function conflict(truth: string): MeshError {
  return new MeshError("MESH_TRUST_CHARTER_CONFLICT", `Cannot use charter: ${truth}`);
}

function refusedBy(reason: string): MeshError {
  return new MeshError("MESH_TRUST_CHARTER_REFUSED", reason);
}
