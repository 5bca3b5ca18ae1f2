import { reasonOf } from "../../../mesh/errors.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { SignerPlace } from "../../../trust/io/open-signer.ts";
import { openRootSigner } from "../../../trust/io/root-keys.ts";
import type { Signer } from "../../../trust/signer.ts";

/** The root's key as an agent uses it: a few times a year, and never a reason not to start. */
export interface RootSigner {
  /** Opens the wanted one, or hands out what it opened before. Throws as `openRootSigner`. */
  readonly open: (isWanted: (keyId: string) => boolean) => Promise<Signer>;
  /** `isRoot` says whether a key (SHA-256 of its SPKI, hex) is that of a root in the charter. */
  readonly findings: (isRoot: (keyId: string) => boolean) => readonly Finding[];
}

export function createRootSigner(place: SignerPlace, subject: string): RootSigner {
  let opened: Signer | undefined;
  let failure: string | undefined;
  const open: RootSigner["open"] = async (isWanted) => {
    // A rotation puts another key there, and uses two.
    if (opened !== undefined && isWanted(opened.keyId)) return opened;
    try {
      opened = await openRootSigner(place, isWanted);
      failure = undefined;
      return opened;
    } catch (thrown) {
      // The next use tries again: a token may be plugged in, a file's rights be mended.
      failure = reasonOf(thrown);
      throw thrown;
    }
  };
  let looking: Promise<void> | undefined;
  /** What the last look found; a key that was not looked at again may just have been retired. */
  let seen: Signer | undefined;
  /** A rotation has taken the old root out, and left the key of the new one there. */
  const lookAgain = (isRoot: (keyId: string) => boolean): Promise<void> => {
    looking ??= open(isRoot)
      .then(
        () => undefined,
        // `open` keeps why.
        () => undefined,
      )
      .finally(() => {
        looking = undefined;
        seen = opened;
      });
    return looking;
  };
  return {
    open,
    findings: (isRoot) => {
      const isForeign = opened !== undefined && !isRoot(opened.keyId);
      if (isForeign) void lookAgain(isRoot);
      const reason = failure ?? (isForeign && opened === seen ? foreign : undefined);
      return reason === undefined ? [] : [unusableFinding(subject, reason)];
    },
  };
}

const foreign = "it is not the key of a root in the charter";

function unusableFinding(subject: string, reason: string): Finding {
  const message = `trust.signer: the root cannot be used, so no charter can be raised here: ${reason}`;
  return { code: "TRUST_SIGNER_UNUSABLE", severity: "error", subject, message };
}
