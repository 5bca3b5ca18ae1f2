/** CSR to SVID: read strictly, proof of possession checked, issued, and the result checked. One core. */
import { parseMemberName, parseMeshDomain, parseSpiffeId, trustDomainOf } from "../src/mesh/ids.ts";
import type { Peer } from "../src/mesh/ports.ts";
import { bundleOf } from "../src/trust/bundle.ts";
import { createCsr } from "../src/trust/csr.ts";
import { newPrivateKey } from "../src/trust/io/new-key.ts";
import { type Authority, createRoot, issueIntermediate } from "../src/trust/issue.ts";
import { renewSvid } from "../src/trust/issuer.ts";
import { spkiOf } from "../src/trust/keys.ts";
import { signerOf } from "../src/trust/signer.ts";
import { createVerifier } from "../src/trust/verifier.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ISTHMUS_BENCH_ROUNDS"] ?? 20);
const perRound = 500;
const mesh = parseMeshDomain("acme.mesh");
const member = parseMemberName("east");
const id = parseSpiffeId(`spiffe://${trustDomainOf(member, mesh)}/ns/shop/sa/cart`);
const nowMs = Date.now();

async function authorities(): Promise<{ readonly root: Authority; readonly issuer: Authority }> {
  const rootSigner = signerOf(newPrivateKey());
  const root = {
    signer: rootSigner,
    certificate: await createRoot({ mesh, signer: rootSigner, nowMs }),
  };
  const signer = signerOf(newPrivateKey());
  const spki = spkiOf(signer.publicKey);
  const certificate = await issueIntermediate({ root, member, mesh, spki, nowMs });
  return { root, issuer: { certificate, signer } };
}

const { root, issuer } = await authorities();
const bundle = bundleOf([root.certificate.der]);
const peer: Peer = {
  id,
  notBeforeMs: nowMs,
  notAfterMs: nowMs + 86_400_000,
  leafSha256: "",
  issuerSpkiSha256: issuer.signer.keyId,
  isExpired: false,
};
// Keys are made elsewhere, by the launchers: their cost is not the agent's.
const csrs = Array.from({ length: perRound }, () => createCsr(newPrivateKey()));

/** Per second of CPU: what one core does, whoever else is on this machine. */
async function ratePerCpuSecond(count: number, act: (index: number) => unknown): Promise<number> {
  const before = process.cpuUsage();
  for (let index = 0; index < count; index += 1) await act(index);
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1e6);
}

const issued: (readonly Uint8Array[])[] = [];
const issue: number[] = [];
const verifyNew: number[] = [];
const verifyKnown: number[] = [];
for (let round = -2; round < rounds; round += 1) {
  issued.length = 0;
  const issueRate = await ratePerCpuSecond(perRound, async (index) => {
    const csrDer = csrs[index] ?? Buffer.alloc(0);
    issued.push((await renewSvid({ csrDer, peer }, { issuer, bundle, nowMs })).chainDer);
  });
  const { verifyPeer } = createVerifier({ mesh, bundle: () => bundle, charter: undefined });
  const verify = async (): Promise<number> =>
    await ratePerCpuSecond(perRound, (index) => {
      const verdict = verifyPeer(issued[index] ?? [], { nowMs });
      if (verdict.t !== "ok") throw new Error(verdict.reason);
    });
  const [newRate, knownRate] = [await verify(), await verify()];
  // The first rounds warm the compiler.
  if (round < 0) continue;
  issue.push(issueRate);
  verifyNew.push(newRate);
  verifyKnown.push(knownRate);
}

const perCpuSecond = "per second of CPU";
const figures: readonly Figure[] = [
  { name: "CSR to SVID", unit: perCpuSecond, samples: issue, target: { atLeast: 1200 } },
  { name: "verify a chain seen for the first time", unit: perCpuSecond, samples: verifyNew },
  { name: "verify a chain seen before", unit: perCpuSecond, samples: verifyKnown },
];
report({
  claim: "CSR to SVID, checked after signing: at least 1,200 a second per core",
  setup: { perRound, keys: "ECDSA P-256", chain: "leaf, issuer, root" },
  figures,
});
