import { meshValidation } from "./resources/validation-contexts.ts";
import type { Draft, Sealed } from "./seal.ts";
import { seal } from "./seal.ts";
import type { TrustView } from "./trust-view.ts";

/** What every proxy of this member gets: who may knock at its mTLS doors. */
export function meshResources(trust: TrustView): Sealed {
  const validation = meshValidation(trust);
  const drafts: Draft[] = validation === undefined ? [] : [{ t: "secret", message: validation }];
  return seal(drafts);
}
