import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Charter, SignedCharter } from "../../mesh/charter.ts";
import { codeOf, MeshError } from "../../mesh/errors.ts";
import { judgeCharter, signCharter, type TrustedCharter } from "../charter.ts";
import { charterSignerOf } from "../root-rotation/issuing-root.ts";
import { loadRoot, saveCharter } from "./member-files.ts";
import type { SignerPlace } from "./open-signer.ts";
import { openRootSigner } from "./root-keys.ts";
import { rootPlaceIn } from "./root-place.ts";

/**
 * Raises the charter in a root's folder and writes it there; nobody else knows it yet. `newest` is what an
 * agent has: agents that may use the root raise charters, too. An edit that changes nothing raises nothing.
 * Throws MESH_TRUST_CHARTER_CONFLICT, MESH_TRUST_CHARTER_REFUSED, MESH_USAGE, what the edit throws and what
 * reading the root throws.
 */
export async function raiseInFolder(options: {
  readonly dir: string;
  readonly edit: (charter: Charter) => Charter;
  readonly newest?: SignedCharter;
}): Promise<TrustedCharter> {
  const { dir, ...rest } = options;
  return await lockedRoot(dir, async () => {
    const { charter } = await loadRoot(dir);
    const next = await raisedWith(await rootPlaceIn(dir), { own: charter, ...rest });
    await saveCharter(dir, next);
    return next;
  });
}

/**
 * The next charter after the newer of two, signed by the root that is at that place; written nowhere. Throws as
 * `raiseInFolder`.
 */
export async function raisedWith(
  place: SignerPlace,
  options: {
    readonly own: TrustedCharter;
    readonly edit: (charter: Charter) => Charter;
    readonly newest?: SignedCharter;
  },
): Promise<TrustedCharter> {
  const { own, edit, newest } = options;
  const current = newest === undefined ? own : newerOf(own, newest);
  const edited = edit(current.charter);
  if (edited === current.charter) return current;
  const one = charterSignerOf(edited);
  const isWanted = (keyId: string): boolean =>
    one === undefined
      ? current.bundle.roots.some(({ spkiSha256 }) => spkiSha256 === keyId)
      : keyId === one;
  return await signCharter(edited, await openRootSigner(place, isWanted));
}

function newerOf(own: TrustedCharter, offered: SignedCharter): TrustedCharter {
  const verdict = judgeCharter(offered, own);
  switch (verdict.t) {
    case "newer":
      return verdict.charter;
    case "known":
      return own;
    case "conflict":
      throw new MeshError(
        "MESH_TRUST_CHARTER_CONFLICT",
        `Cannot raise the charter: this folder's and the agent's are different ones with number ${verdict.number}; ` +
          "copy charter.json and bundle.pem of the agent's trust.dir here, and make the change again",
      );
    case "refused":
      throw new MeshError("MESH_TRUST_CHARTER_REFUSED", verdict.reason);
  }
}

/** Two at once would give one number to two charters. */
export async function lockedRoot<T>(dir: string, use: () => Promise<T>): Promise<T> {
  const path = join(dir, ".lock");
  const lock = await open(path, "wx", 0o600).catch((cause: unknown) => {
    const truth =
      codeOf(cause) === "EEXIST"
        ? `another command is at work there; remove ${path} if that one died`
        : "it cannot be written";
    throw new MeshError("MESH_USAGE", `Cannot issue from "${dir}": ${truth}`, { cause });
  });
  try {
    return await use();
  } finally {
    await lock.close();
    await rm(path, { force: true });
  }
}
