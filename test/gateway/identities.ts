import type { SpiffeId } from "../../src/mesh/ids.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { issueSvid } from "../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../src/trust/keys.ts";
import { toPem } from "../../src/trust/pem.ts";
import type { MadeAuthority, MadeMesh } from "../trust/made.ts";

/** A fresh SVID with its chain, good for an hour from now. */
export async function identityOf(
  made: MadeMesh,
  wish: { readonly issuer: MadeAuthority; readonly id: SpiffeId },
): Promise<Identity> {
  const key = newPrivateKey();
  const nowMs = Date.now();
  const leaf = await issueSvid({ ...wish, spki: spkiOf(key), nowMs });
  const chain = [leaf, wish.issuer.certificate].map(({ der }) => toPem("CERTIFICATE", der));
  return {
    id: wish.id,
    certChainPem: chain.join(""),
    privateKeyPem: privateKeyPemOf(key),
    bundlePem: made.bundle.pem,
    notBeforeMs: nowMs,
    notAfterMs: nowMs + 3_600_000,
  };
}
