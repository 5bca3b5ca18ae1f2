// Random names under random constraints: our rules against OpenSSL's and Go's.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GeneralName } from "../../src/trust/general-name.ts";
import { verifyPath } from "../../src/trust/verify.ts";
import type { Exhibit, Exhibits } from "./judges/exhibits.ts";
import { askGo, hasGo } from "./judges/go.ts";
import { askOpenssl, hasOpenssl } from "./judges/openssl.ts";
import { skipUnlessCi } from "./judges/skip.ts";
import { cartId, constraints, madeMesh, names, wishedIssuer, wishedLeaf } from "./made.ts";
import { seededRandom } from "./mutations.ts";

const nowMs = Date.now();
const made = await madeMesh(nowMs);
const hourMs = 3_600_000;
const validity = { notBeforeMs: nowMs - hourMs, notAfterMs: nowMs + hourMs };

const hosts = [
  "east.acme.mesh",
  "x.east.acme.mesh",
  "west.acme.mesh",
  "acme.mesh",
  "fareast.acme.mesh",
];
const random = seededRandom(7);
const pick = <T>(list: readonly T[]): T =>
  list[Math.floor(random() * list.length)] ?? assert.fail();
const address = (...parts: readonly number[]): Buffer => Buffer.from(parts);

const nameMakers: readonly (() => GeneralName)[] = [
  () => ({ t: "dns", value: pick(["", "a.", "*."]) + pick(hosts) }),
  () => ({ t: "email", value: `a@${pick(hosts)}` }),
  () => ({ t: "ip", bytes: address(10, pick([0, 1, 128, 255]), 0, 1) }),
  () => ({ t: "ip", bytes: Buffer.alloc(16, pick([0, 1, 255])) }),
];

const baseMakers: readonly (() => GeneralName)[] = [
  () => ({ t: "uri", value: pick(["", "."]) + pick(hosts) }),
  () => ({ t: "dns", value: pick(hosts) }),
  () => ({ t: "email", value: pick(["", "."]) + pick(hosts) }),
  () => ({ t: "email", value: `${pick(["a", "b"])}@${pick(hosts)}` }),
  () => ({ t: "ip", bytes: address(10, pick([0, 128]), 0, 0, 255, pick([0, 128]), 0, 0) }),
  () => ({
    t: "ip",
    bytes: Buffer.concat([Buffer.alloc(16, 1), Buffer.alloc(16, pick([0, 255]))]),
  }),
];

function some<T>(makers: readonly (() => T)[], max: number): readonly T[] {
  return Array.from({ length: Math.floor(random() * (max + 1)) }, () => pick(makers)());
}

const own: GeneralName = { t: "uri", value: cartId };
const ownHost: GeneralName = { t: "uri", value: "east.acme.mesh" };

/** A chain whose issuer always permits the URI, so that the other names decide more often. */
async function randomExhibit(excludes: Excludes): Promise<Exhibit & { readonly rule: object }> {
  const permitted = [ownHost, ...some(baseMakers, 3)];
  const excluded = some(baseMakers, 2).filter(excludes);
  const sans = [own, ...some(nameMakers, 2)];
  const nameConstraints = constraints({ permitted, excluded });
  const issuer = await wishedIssuer({ issuer: made.root, ...validity, nameConstraints });
  const subjectAltName = { critical: true, value: names(...sans) };
  const leaf = await wishedLeaf({ issuer, ...validity, subjectAltName });
  const chain = [leaf, issuer.certificate];
  const none = { ours: "ok", openssl: "ok", node: "ok", go: "ok", envoy: "ok" } as const;
  const rule = { permitted, excluded, sans };
  return { claim: "", chain, chainPem: "", keyPem: "", expected: none, rule };
}

type Excludes = (base: GeneralName) => boolean;

async function randomExhibits(
  count: number,
  excludes: Excludes = () => true,
): Promise<Exhibits & { readonly rules: readonly object[]; readonly ours: readonly string[] }> {
  const list = await Promise.all(
    Array.from({ length: count }, async () => await randomExhibit(excludes)),
  );
  const roots = [made.root.certificate];
  const ours = list.map(({ chain }) => verifyPath(chain, { roots, atMs: nowMs }).t);
  const rules = list.map(({ rule }) => rule);
  return { root: made.root.certificate, rootPem: made.bundle.pem, list, rules, ours };
}

test("verifyPath() is of OpenSSL's mind about names", async (t) => {
  if (!hasOpenssl) return skipUnlessCi(t, "the openssl command");
  const exhibits = await randomExhibits(150);
  const verdicts = await askOpenssl(exhibits);
  const differing = verdicts.flatMap((verdict, index) =>
    verdict === exhibits.ours[index] ? [] : [[verdict, exhibits.rules[index]]],
  );
  assert.deepEqual(differing, []);
  assert.ok(verdicts.includes("ok") && verdicts.includes("refused"), "both happen");
});

test("verifyPath() takes no names that Go refuses", async (t) => {
  if (!hasGo) return skipUnlessCi(t, "the go command");
  // To Go a host without dot means its subdomains too: laxer where it permits, stricter where it
  // excludes. RFC 5280 and the others say that host alone.
  const isRead = ({ t }: GeneralName): boolean => t === "dns" || t === "ip";
  const exhibits = await randomExhibits(500, isRead);
  const verdicts = await askGo(exhibits);
  const laxer = verdicts.flatMap((verdict, index) =>
    verdict === "ok" || exhibits.ours[index] !== "ok" ? [] : [exhibits.rules[index]],
  );
  assert.deepEqual(laxer, []);
});
