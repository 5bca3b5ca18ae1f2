// Others decide whom a reader believes that trusts the old root alone, and one that trusts the new root alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleOf } from "../../../src/trust/bundle.ts";
import type { Certificate } from "../../../src/trust/certificate.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { issueSvid } from "../../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../../src/trust/keys.ts";
import { toPem } from "../../../src/trust/pem.ts";
import { crossCertify } from "../../../src/trust/root-rotation/cross-certify.ts";
import { verifyPath } from "../../../src/trust/verify.ts";
import { askEnvoy, envoyBinary } from "../judges/envoy.ts";
import type { Exhibit, Exhibits, Judge, Verdict } from "../judges/exhibits.ts";
import { askGo, hasGo } from "../judges/go.ts";
import { askNode } from "../judges/node-tls.ts";
import { askOpenssl, hasOpenssl } from "../judges/openssl.ts";
import { skipUnlessCi } from "../judges/skip.ts";
import { cartId, east, type MadeAuthority, madeMember, madeRoot } from "../made.ts";

const nowMs = Date.now();
const [first, second, stranger] = [
  await madeRoot(nowMs),
  await madeRoot(nowMs),
  await madeRoot(nowMs),
];
const before = await madeMember(first, { member: east, atMs: nowMs });
const after = await madeMember(second, { member: east, atMs: nowMs });
const crossBy = async (by: MadeAuthority, root: MadeAuthority): Promise<Certificate> =>
  await crossCertify({ by, root: root.certificate, nowMs });
const cross = await crossBy(first, second);

type Row = readonly [
  claim: string,
  issuer: MadeAuthority,
  above: readonly Certificate[],
  old: Verdict,
  next: Verdict,
];

const rows: readonly Row[] = [
  ["under the old root", before, [], "ok", "refused"],
  ["under the new root", after, [], "refused", "ok"],
  ["under the new root, with the cross-certificate", after, [cross], "ok", "ok"],
  ["under the old root, with the cross-certificate", before, [cross], "ok", "refused"],
  [
    "under the new root, with a cross-certificate of a stranger",
    after,
    [await crossBy(stranger, second)],
    "refused",
    "ok",
  ],
  [
    "under the new root, with a cross-certificate by a member's issuer",
    after,
    [await crossBy(before, second), before.certificate],
    "refused",
    "ok",
  ],
  [
    "under a stranger's root, with a cross-certificate for the new one",
    await madeMember(stranger, { member: east, atMs: nowMs }),
    [cross],
    "refused",
    "refused",
  ],
  // This is why nobody makes one: the old root would outlive its retirement.
  [
    "under the old root, with that root certified by the new one",
    before,
    [await crossBy(second, first)],
    "ok",
    "ok",
  ],
];

async function exhibitsFor(reader: "old" | "next"): Promise<Exhibits> {
  const list = await Promise.all(
    rows.map(async ([claim, issuer, above, old, next]): Promise<Exhibit> => {
      const key = newPrivateKey();
      const leaf = await issueSvid({ issuer, id: cartId, spki: spkiOf(key), nowMs });
      const chain = [leaf, issuer.certificate, ...above];
      const verdict = reader === "old" ? old : next;
      return {
        claim,
        chain,
        chainPem: chain.map(({ der }) => toPem("CERTIFICATE", der)).join(""),
        keyPem: privateKeyPemOf(key).reveal(),
        expected: { ours: verdict, openssl: verdict, node: verdict, go: verdict, envoy: verdict },
      };
    }),
  );
  const root = (reader === "old" ? first : second).certificate;
  // Judges show the first one where they need somebody who is believed.
  const good = list.filter(({ expected }) => expected.ours === "ok");
  const bad = list.filter(({ expected }) => expected.ours === "refused");
  return { root, rootPem: bundleOf([root.der]).pem, list: [...good, ...bad] };
}

const askOurs: Judge = async ({ root, list }) =>
  list.map(({ chain }) => verifyPath(chain, { roots: [root], atMs: nowMs }).t);

const judges: readonly [title: string, judge: Judge, missing: string | undefined][] = [
  ["verifyPath()", askOurs, undefined],
  ["Node's TLS", askNode, undefined],
  ["openssl verify -x509_strict", askOpenssl, hasOpenssl ? undefined : "the openssl command"],
  ["Go's crypto/x509", askGo, hasGo ? undefined : "the go command"],
  [
    "Envoy",
    askEnvoy,
    envoyBinary === undefined ? "ISTHMUS_ENVOY=$(node scripts/envoy.mjs)" : undefined,
  ],
];

for (const reader of ["old", "next"] as const) {
  const exhibits = await exhibitsFor(reader);
  for (const [title, judge, missing] of judges) {
    test(`${title} with the ${reader} root alone takes whom that root leads to, and nobody else`, async (t) => {
      if (missing !== undefined) return skipUnlessCi(t, missing);
      const verdicts = await judge(exhibits);
      assert.deepEqual(
        exhibits.list.map(({ claim }, index) => [claim, verdicts[index]]),
        exhibits.list.map(({ claim, expected }) => [claim, expected.ours]),
      );
    });
  }
}
