import { join } from "node:path";
import { charterMember } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import { holderOf, type Source } from "../../mesh/holder.ts";
import { infrastructureSpiffeId, memberOfTrustDomain, type TrustDomain } from "../../mesh/ids.ts";
import type { Clock } from "../../mesh/ports.ts";
import type { Secret } from "../../mesh/secret.ts";
import type { Certificate } from "../certificate.ts";
import type { TrustedCharter } from "../charter.ts";
import { type Issuer, probeIssuer } from "../issue.ts";
import { readPrivateKey } from "../keys.ts";
import { issuerTrustDomain } from "../root-guard.ts";
import { signerOf } from "../signer.ts";
import { loadIssuer, readChain, saveIssuer } from "./issuer-files.ts";

/** What a member signs with, replaced while the agent runs. */
export interface MemberIssuer extends Source<Issuer> {
  /**
   * Tries the next issuer as peers would, writes it to the member's folder, and signs with it from then on. Whatever
   * it throws, the present one stays: MESH_TRUST_ISSUE_REFUSED, MESH_TRUST_DER_INVALID, or as the file system does.
   */
  readonly adopt: (next: NextIssuer) => Promise<void>;
  /** Whether the folder names another issuer than the one in use. Throws as reading it does. */
  readonly isReplaced: () => Promise<boolean>;
  /** Takes over what the folder holds, as `adopt` does what it is given. */
  readonly reload: () => Promise<void>;
}

export interface NextIssuer {
  /** The issuer first, then what stands between it and a root. */
  readonly chain: readonly [Certificate, ...(readonly Certificate[])];
  /** PKCS#8; absent: the present key, certified anew. */
  readonly keyPem?: Secret;
}

/** Calls run one after the other, so that files and memory never tell of two issuers. */
export function holdIssuer(options: {
  /** The member's folder. */
  readonly dir: string;
  readonly first: Issuer;
  readonly trustDomain: TrustDomain;
  readonly charter: () => TrustedCharter;
  readonly clock: Clock;
}): MemberIssuer {
  const holder = holderOf(options.first);
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = async <Result>(run: () => Promise<Result>): Promise<Result> => {
    const own = queue.then(run, run);
    queue = own.catch(() => undefined);
    return await own;
  };
  const takeOver = async (offered: NextIssuer): Promise<void> => {
    const issuer = issuerFrom(offered, holder.current());
    await checkIssuer(issuer, options);
    await saveIssuer(options.dir, offered);
    holder.replace(issuer);
  };
  return {
    current: holder.current,
    onChange: holder.onChange,
    adopt: async (offered) => await inTurn(async () => await takeOver(offered)),
    isReplaced: async () =>
      await inTurn(async () => {
        const [written] = await readChain(join(options.dir, "member.pem"));
        return written.sha256 !== holder.current().certificate.sha256;
      }),
    reload: async () =>
      await inTurn(async () => {
        const issuer = await loadIssuer(options.dir);
        await checkIssuer(issuer, options);
        holder.replace(issuer);
      }),
  };
}

function issuerFrom({ chain, keyPem }: NextIssuer, present: Issuer): Issuer {
  const [certificate, ...above] = chain;
  const signer = keyPem === undefined ? present.signer : signerOf(readPrivateKey(keyPem));
  if (signer.keyId !== certificate.spkiSha256) refuse("its key is not that of its certificate");
  return { certificate, above, signer };
}

async function checkIssuer(
  issuer: Issuer,
  { trustDomain, charter, clock }: Parameters<typeof holdIssuer>[0],
): Promise<void> {
  if (issuerTrustDomain(issuer.certificate) !== trustDomain) {
    refuse(`it is not bound to trust domain "${trustDomain}" alone`);
  }
  const current = charter();
  const member = memberOfTrustDomain(trustDomain, current.charter.mesh);
  const entry = member === undefined ? undefined : charterMember(current.charter, member);
  // Others would refuse all that it signs.
  if (entry?.issuers.includes(issuer.signer.keyId) !== true) {
    refuse(`charter ${current.charter.number} does not list it`);
  }
  const id = infrastructureSpiffeId(trustDomain, "agent");
  await probeIssuer(issuer, { id, roots: current.bundle.roots, nowMs: clock.nowMs() });
}

function refuse(truth: string): never {
  throw new MeshError("MESH_TRUST_ISSUE_REFUSED", `Cannot take over the next issuer: ${truth}`);
}
