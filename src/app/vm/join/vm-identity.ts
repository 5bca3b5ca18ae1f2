import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { HostPort } from "../../../mesh/address.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { Identity, Log } from "../../../mesh/ports.ts";
import type { Secret } from "../../../mesh/secret.ts";
import { type GroupId, readGroupId } from "../../../mesh/workload-group.ts";
import { createCsr } from "../../../trust/csr.ts";
import { identityOf } from "../../../trust/identity.ts";
import { loadIdentity, saveIdentity } from "../../../trust/io/identity-store.ts";
import { newPrivateKey } from "../../../trust/io/new-key.ts";
import { readKeyFile, readText, saveFile } from "../../../trust/io/safe-files.ts";
import { privateKeyPemOf, readPrivateKey } from "../../../trust/keys.ts";
import { joinVm } from "../../join/show-token.ts";
import { readTokenFile } from "../../join/token-file.ts";
import { type StateFolder, writing } from "./state-folder.ts";

/** Who this VM is. */
export interface VmIdentity {
  readonly identity: Identity;
  /** That the token was for; undefined: nobody said it anew. */
  readonly group: GroupId | undefined;
  /** How it was got. */
  readonly from: "folder" | "token";
}

export interface VmIdentityOptions {
  readonly folder: StateFolder;
  readonly agents: readonly HostPort[];
  readonly tokenFile: string | undefined;
  readonly group: GroupId | undefined;
  readonly nowMs: number;
  readonly log: Pick<Log, "warn">;
  readonly signal: AbortSignal;
}

/**
 * The VM's own SVID as long as it counts, whatever token there is: a machine that starts again needs none. Else
 * the one that its token buys. Throws MESH_JOIN_…, MESH_TRUST_…, MESH_UNREACHABLE, MESH_USAGE (there is no token)
 * and MESH_FILE_….
 */
export async function vmIdentity(options: VmIdentityOptions): Promise<VmIdentity> {
  const own = await ownIdentity(options.folder.identityDir);
  if (own !== undefined && own.notAfterMs > options.nowMs) {
    return { identity: own, group: undefined, from: "folder" };
  }
  const { tokenFile, log } = options;
  const warn = (sentence: string): void => log.warn({}, sentence);
  // An empty file is what the unit shows when nobody has put a token where it looks.
  const token = tokenFile === undefined ? undefined : await readTokenFile(tokenFile, warn);
  if (token === undefined) throw withoutToken(own);
  return await buy(token, options);
}

/** Undefined: there is none yet. What is there and cannot be used is told: it may be half of something. */
async function ownIdentity(dir: string): Promise<Identity | undefined> {
  const isThere = await readText(join(dir, "svid.pem")).then(
    () => true,
    () => false,
  );
  return isThere ? await loadIdentity(dir) : undefined;
}

function withoutToken(own: Identity | undefined): MeshError {
  const truth =
    own === undefined
      ? "this VM has no certificate yet"
      : `its certificate ended ${new Date(own.notAfterMs).toISOString()}, while it was away`;
  return new MeshError(
    "MESH_USAGE",
    `Cannot join: ${truth}; make a token with \`isthmus token create --vm --group NS/NAME\` and name its file with --token-file`,
  );
}

/**
 * The key is on disk before the token is shown: should the answer be lost, the same key gets one again, and
 * another one does not.
 */
async function buy(token: Secret, options: VmIdentityOptions): Promise<VmIdentity> {
  const { folder, agents, group, signal } = options;
  const { identityDir } = folder;
  const keyFile = join(identityDir, "joining.key");
  const key = await writing(folder.dir, async () => {
    const kept = await readKeyFile(keyFile).catch((thrown: unknown) => {
      if (thrown instanceof MeshError && thrown.code === "MESH_TRUST_KEY_FILE_UNSAFE") throw thrown;
      return undefined;
    });
    if (kept !== undefined) return readPrivateKey(kept);
    const made = newPrivateKey();
    await saveFile(keyFile, privateKeyPemOf(made));
    return made;
  });
  const joined = await joinVm({
    agents,
    token,
    csr: createCsr(key),
    signal,
    ...(group === undefined ? {} : { workloadGroup: group }),
  });
  const identity = identityOf(key, joined.svid);
  await writing(folder.dir, async () => {
    await saveIdentity(identityDir, identity);
    await rm(keyFile, { force: true });
  });
  return { identity, group: readGroupId(joined.workloadGroup), from: "token" };
}
