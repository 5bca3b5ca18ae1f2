import type { SignedCharter } from "../mesh/charter.ts";
import { maxCharterBytes } from "./charter-codec.ts";
import { refuseCharter } from "./charter-fields.ts";

/**
 * `charter.json`: the signed text as one JSON string, so that the exact bytes survive and
 * `jq -r .charter charter.json | jq` still shows it. The signature is base64, the signer the SHA-256
 * (hex) of a root's SubjectPublicKeyInfo.
 */
export function formatCharterFile(signed: SignedCharter): string {
  const charter = Buffer.from(signed.bytes).toString("utf8");
  const signature = Buffer.from(signed.signature).toString("base64");
  return `${JSON.stringify({ format: 1, charter, signature, signer: signed.signer }, null, 2)}\n`;
}

/** Reads the envelope alone; believe nothing before `verifyCharter`. Throws MESH_TRUST_CHARTER_REFUSED. */
export function parseCharterFile(text: string): SignedCharter {
  // Escapes may double a text's size.
  if (text.length > 2 * maxCharterBytes) return refuseCharter("its file is too large");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return refuseCharter("its file is not JSON", cause);
  }
  if (typeof value !== "object" || value === null) return refuseCharter("its file is no object");
  const file = value as Readonly<Record<string, unknown>>;
  const { format, charter, signature, signer } = file as Record<
    "format" | "charter" | "signature" | "signer",
    unknown
  >;
  if (format !== 1) return refuseCharter("its file's format is not 1");
  const isWhole =
    typeof charter === "string" && typeof signature === "string" && typeof signer === "string";
  if (!isWhole) return refuseCharter("its file lacks charter, signature or signer");
  return {
    bytes: new TextEncoder().encode(charter),
    signature: Buffer.from(signature, "base64"),
    signer,
  };
}
