import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MeshError } from "../../../mesh/errors.ts";
import type { TrustDomain } from "../../../mesh/ids.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import { fieldOf } from "../../../mesh/json-map.ts";
import { type Bundle, parseBundle } from "../../../trust/bundle.ts";
import { readText } from "../../../trust/io/safe-files.ts";

/** What was fetched of a foreign trust domain, kept for a start without its endpoint. */
export interface KeptBundle {
  /** Undefined: its owner has revoked all. */
  readonly bundle: Bundle | undefined;
  readonly sequence: number;
  /** Digest of the roots in the charter that it was fetched after: with others the relation begins anew. */
  readonly since: string;
}

/** Undefined where there is none, or none that is whole. */
export async function readKept(
  dir: string,
  trustDomain: TrustDomain,
): Promise<KeptBundle | undefined> {
  try {
    const value: unknown = JSON.parse(await readText(fileOf(dir, trustDomain)));
    const [pem, sequence, since] = ["pem", "sequence", "since"].map((name) => fieldOf(value, name));
    const isWhole =
      typeof pem === "string" && typeof sequence === "number" && typeof since === "string";
    if (!isWhole) return undefined;
    return { bundle: pem === "" ? undefined : parseBundle(pem), sequence, since };
  } catch (thrown) {
    if (thrown instanceof MeshError || thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

/** Rejects as the file system does. */
export async function keep(
  dir: string,
  trustDomain: TrustDomain,
  { bundle, sequence, since }: KeptBundle,
): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const text = JSON.stringify({ trustDomain, sequence, since, pem: bundle?.pem ?? "" });
  await replaceFile(fileOf(dir, trustDomain), { text: `${text}\n`, mode: 0o644 });
}

/** Dots alone would be another folder. */
function fileOf(dir: string, trustDomain: TrustDomain): string {
  return join(dir, `bundle-${trustDomain}.json`);
}
