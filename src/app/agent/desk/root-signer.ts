import { reasonOf } from "../../../mesh/errors.ts";
import type { Finding } from "../../../mesh/service.ts";
import { openSigner, type SignerPlace } from "../../../trust/io/open-signer.ts";
import type { Signer } from "../../../trust/signer.ts";

/** The root's key as an agent uses it: a few times a year, and never a reason not to start. */
export interface RootSigner {
  /** Opens it, or hands out what it opened before. Throws as `openSigner`. */
  readonly open: () => Promise<Signer>;
  /** `isRoot` says whether a key (SHA-256 of its SPKI, hex) is that of a root in the charter. */
  readonly findings: (isRoot: (keyId: string) => boolean) => readonly Finding[];
}

export function createRootSigner(place: SignerPlace, subject: string): RootSigner {
  let opened: Promise<Signer> | undefined;
  let failure: string | undefined;
  let keyId: string | undefined;
  const open = async (): Promise<Signer> => {
    opened ??= openSigner(place);
    try {
      const signer = await opened;
      failure = undefined;
      keyId = signer.keyId;
      return signer;
    } catch (thrown) {
      // The next use tries again: a token may be plugged in, a file's rights be mended.
      opened = undefined;
      failure = reasonOf(thrown);
      throw thrown;
    }
  };
  return {
    open,
    findings: (isRoot) => {
      const isForeign = keyId !== undefined && !isRoot(keyId);
      const reason =
        failure ?? (isForeign ? "it is not the key of a root in the charter" : undefined);
      return reason === undefined ? [] : [unusableFinding(subject, reason)];
    },
  };
}

function unusableFinding(subject: string, reason: string): Finding {
  const message = `trust.signer: the root cannot be used, so no charter can be raised here: ${reason}`;
  return { code: "TRUST_SIGNER_UNUSABLE", severity: "error", subject, message };
}
