import { MeshError } from "../mesh/errors.ts";

export type PemLabel = "CERTIFICATE" | "CERTIFICATE REQUEST" | "PRIVATE KEY";

const block = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n?-----END \1-----/g;

export function toPem(label: PemLabel, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/**
 * The content of every block of this label, in order; text around the blocks is a comment. A block of
 * another label, or a broken one, is refused: it would be left out in silence.
 * Throws MESH_TRUST_DER_INVALID.
 */
export function fromPem(label: PemLabel, text: string): readonly Buffer[] {
  const blocks = [...text.matchAll(block)];
  const begun = text.split("-----BEGIN ").length - 1;
  const foreign = blocks.find((match) => match[1] !== label);
  if (begun !== blocks.length || foreign !== undefined) {
    const truth = foreign === undefined ? "a block is broken" : `it holds a ${foreign[1]}`;
    throw new MeshError("MESH_TRUST_DER_INVALID", `Cannot read PEM of a ${label}: ${truth}`);
  }
  return blocks.map((match) => Buffer.from(match[2] ?? "", "base64"));
}
