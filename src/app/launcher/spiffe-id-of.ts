import { MeshError } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import { parseCertificate } from "../../trust/certificate.ts";
import { judgeLeaf } from "../../trust/svid-rules.ts";

/** The identity that a leaf (DER) names; undefined when it is no SVID. Says nothing of who signed it. */
export function spiffeIdOf(leafDer: Uint8Array): SpiffeId | undefined {
  try {
    const verdict = judgeLeaf(parseCertificate(leafDer));
    return verdict.t === "ok" ? verdict.id : undefined;
  } catch (thrown) {
    if (thrown instanceof MeshError) return undefined;
    throw thrown;
  }
}
