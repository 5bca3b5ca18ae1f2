import {
  type MeshDomain,
  parseMemberName,
  parseMeshDomain,
  parseSpiffeId,
  type SpiffeId,
} from "../../../src/mesh/ids.ts";
import type { Identity, IdentitySource } from "../../../src/mesh/ports.ts";
import { parseCertificate } from "../../../src/trust/certificate.ts";
import { identityOf } from "../../../src/trust/identity.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import {
  type Authority,
  createRoot,
  issueIntermediate,
  issueSvid,
} from "../../../src/trust/issue.ts";
import { spkiOf } from "../../../src/trust/keys.ts";
import { toPem } from "../../../src/trust/pem.ts";
import { signerOf } from "../../../src/trust/signer.ts";
import { judgeLeaf } from "../../../src/trust/svid-rules.ts";

const acme = parseMeshDomain("acme.mesh");

/** A root with one member per name, made for one test run. */
export interface TestTrust {
  readonly bundlePem: string;
  readonly identity: (
    id: string,
    options?: { readonly nowMs?: number; readonly lifeMs?: number },
  ) => Promise<Identity>;
}

export async function testTrust(mesh: MeshDomain = acme): Promise<TestTrust> {
  const nowMs = Date.now();
  // Old enough that a leaf of the past fits into its life.
  const rootNowMs = nowMs - 7_200_000;
  const rootKey = signerOf(newPrivateKey());
  const certificate = await createRoot({ mesh, signer: rootKey, nowMs: rootNowMs });
  const root: Authority = { certificate, signer: rootKey };
  const members = new Map<string, Promise<Authority>>();
  const memberOf = (name: string): Promise<Authority> => {
    const known = members.get(name) ?? issueMember(root, { name, mesh });
    members.set(name, known);
    return known;
  };
  return {
    bundlePem: toPem("CERTIFICATE", certificate.der),
    identity: async (text, options = {}) => {
      const id = parseSpiffeId(text);
      const issuer = await memberOf(text.slice("spiffe://".length).split(".")[0] ?? "");
      const key = newPrivateKey();
      const at = {
        nowMs: options.nowMs ?? nowMs,
        ...(options.lifeMs === undefined ? {} : { lifeMs: options.lifeMs }),
      };
      const leaf = await issueSvid({ issuer, id, spki: spkiOf(key), ...at });
      return identityOf(key, {
        chainDer: [leaf.der, issuer.certificate.der],
        bundleDer: [certificate.der],
      });
    },
  };
}

async function issueMember(
  root: Authority,
  { name, mesh }: { readonly name: string; readonly mesh: MeshDomain },
): Promise<Authority> {
  const signer = signerOf(newPrivateKey());
  const spki = spkiOf(signer.publicKey);
  const member = parseMemberName(name);
  const nowMs = Date.now() - 3_600_000;
  return { certificate: await issueIntermediate({ root, member, mesh, spki, nowMs }), signer };
}

/** What the app passes to the engine. */
export function spiffeIdOf(leafDer: Uint8Array): SpiffeId | undefined {
  try {
    const verdict = judgeLeaf(parseCertificate(leafDer));
    return verdict.t === "ok" ? verdict.id : undefined;
  } catch {
    return undefined;
  }
}

export interface TestIdentitySource extends IdentitySource {
  readonly replace: (identity: Identity) => void;
}

export function identitySource(first: Identity): TestIdentitySource {
  let current = first;
  const listeners = new Set<(identity: Identity) => void>();
  return {
    current: () => current,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    replace: (identity) => {
      current = identity;
      for (const listener of listeners) listener(identity);
    },
  };
}
