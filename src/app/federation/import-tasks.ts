import { parseMeshDomain } from "../../mesh/ids.ts";
import { type Imported, importMember, importRoot } from "../../trust/io/import-files.ts";
import { type MemberWords, memberClaims } from "../trust-tasks.ts";

interface Given {
  readonly chainFile: string;
  readonly keyFile: string;
  readonly exception: string | undefined;
}

/** Throws MESH_ID_INVALID and as `importRoot`. */
export function importTheRoot(
  words: Given & { readonly mesh: string; readonly dir: string },
): Promise<Imported> {
  return importRoot({ ...words, mesh: parseMeshDomain(words.mesh), nowMs: Date.now() });
}

/** Throws MESH_ID_INVALID, MESH_ADDRESS_INVALID and as `importMember`. */
export function importTheMember(words: Given & MemberWords): Promise<Imported> {
  const { chainFile, keyFile, exception, dir, out, renew } = words;
  const claims = memberClaims(words);
  return importMember({
    chainFile,
    keyFile,
    exception,
    dir,
    out,
    renew,
    claims,
    nowMs: Date.now(),
  });
}
