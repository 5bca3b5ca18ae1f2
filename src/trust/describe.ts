import type { Charter } from "../mesh/charter.ts";
import { MeshError, reasonOf } from "../mesh/errors.ts";
import { Secret } from "../mesh/secret.ts";
import type { Certificate } from "./certificate.ts";
import { parseCertificate } from "./certificate.ts";
import { parseCharter } from "./charter-codec.ts";
import { parseCharterFile } from "./charter-file.ts";
import { readPrivateKey, sha256Hex, spkiOf } from "./keys.ts";
import { fromPem } from "./pem.ts";
import { issuerTrustDomain } from "./root-guard.ts";
import { judgeLeaf } from "./svid-rules.ts";

/** What a trust file holds, for people. Nothing secret, and nothing verified. */
export type Description =
  | CertificateDescription
  | { readonly t: "key"; readonly spkiSha256: string }
  | { readonly t: "charter"; readonly charter: Charter; readonly signer: string }
  | { readonly t: "unreadable"; readonly reason: string };

export interface CertificateDescription {
  readonly t: "certificate";
  readonly role: "root" | "issuer" | "svid" | "other";
  /** The SPIFFE ID of an SVID, the trust domain of an issuer, else the common name. */
  readonly name: string;
  readonly serial: string;
  readonly sha256: string;
  readonly spkiSha256: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Judged by content, not by name. */
export function describeText(text: string): readonly Description[] {
  try {
    if (text.includes("-----BEGIN PRIVATE KEY-----")) {
      return [{ t: "key", spkiSha256: sha256Hex(spkiOf(readPrivateKey(new Secret(text)))) }];
    }
    if (text.trimStart().startsWith("{")) return [describeCharter(text)];
    const found = fromPem("CERTIFICATE", text).map((der) => describeOne(parseCertificate(der)));
    return found.length > 0 ? found : [{ t: "unreadable", reason: "it is no trust file" }];
  } catch (thrown) {
    if (!(thrown instanceof MeshError)) throw thrown;
    return [{ t: "unreadable", reason: reasonOf(thrown) }];
  }
}

function describeCharter(text: string): Description {
  const signed = parseCharterFile(text);
  return { t: "charter", charter: parseCharter(signed.bytes), signer: signed.signer };
}

function describeOne(certificate: Certificate): CertificateDescription {
  const { serial, sha256, spkiSha256, notBeforeMs, notAfterMs } = certificate;
  const facts = { serial, sha256, spkiSha256, notBeforeMs, notAfterMs };
  return { t: "certificate", ...roleOf(certificate), ...facts };
}

function roleOf(certificate: Certificate): Pick<CertificateDescription, "role" | "name"> {
  const trustDomain = issuerTrustDomain(certificate);
  if (trustDomain !== undefined) return { role: "issuer", name: trustDomain };
  const leaf = judgeLeaf(certificate);
  if (leaf.t === "ok") return { role: "svid", name: leaf.id };
  const isRoot =
    certificate.subject === certificate.issuer &&
    certificate.extensions.basicConstraints?.isCa === true;
  return { role: isRoot ? "root" : "other", name: printable(certificate.commonName ?? "") };
}

/** A stranger's name must not speak to the terminal that shows it. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?").slice(0, 64);
}
