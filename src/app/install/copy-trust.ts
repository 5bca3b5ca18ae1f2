import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { Secret } from "../../mesh/secret.ts";
import { loadIssuer, readChain } from "../../trust/io/issuer-files.ts";
import { loadCharterOf, loadMember } from "../../trust/io/member-files.ts";
import { readText, saveFiles } from "../../trust/io/safe-files.ts";

/**
 * Copies a member's folder, as a Secret volume has it, to one that only this user may read: an agent
 * refuses a key that a group may read, and writes newer charters beside it. May be run again: a newer charter that is
 * there already stays, and so does an issuer that was renewed since. Throws MESH_FILE_UNREADABLE and as `loadMember`.
 */
export async function copyTrust(from: string, to: string): Promise<{ readonly charter: number }> {
  const [chain, key, bundle, charter] = await Promise.all(
    ["member.pem", "member.key", "bundle.pem", "charter.json"].map((name) =>
      readText(join(from, name)),
    ),
  );
  const offered = await loadCharterOf(from);
  const kept = await loadCharterOf(to).catch(() => undefined);
  const isNewer = kept === undefined || offered.charter.number > kept.charter.number;
  const hasYounger = await isYounger(to, from);
  try {
    await mkdir(to, { recursive: true, mode: 0o700 });
    await chmod(to, 0o700);
    await saveFiles(to, [
      ...(hasYounger
        ? []
        : [
            { name: "member.key", content: new Secret(key ?? "") },
            { name: "member.pem", content: chain ?? "" },
          ]),
      ...(isNewer
        ? [
            { name: "bundle.pem", content: bundle ?? "" },
            { name: "charter.json", content: charter ?? "" },
          ]
        : []),
    ]);
  } catch (cause) {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot write to "${to}": ${reasonOf(cause)}`, {
      cause,
    });
  }
  // What is half another member's is refused here, where the message is read, and not in a loop of starts.
  const loaded = await loadMember(to);
  return { charter: loaded.charter.charter.number };
}

/** Agents renew their issuers where they run; a volume still has the first. */
async function isYounger(kept: string, than: string): Promise<boolean> {
  const issuer = await loadIssuer(kept).catch(() => undefined);
  const [offered] = await readChain(join(than, "member.pem"));
  return issuer !== undefined && issuer.certificate.notBeforeMs > offered.notBeforeMs;
}
