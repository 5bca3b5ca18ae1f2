import { readdir } from "node:fs/promises";
import { extname } from "node:path";
import { charterMember } from "../../mesh/charter.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Finding } from "../../mesh/service.ts";
import type { Certificate } from "../../trust/certificate.ts";
import type { Description } from "../../trust/describe.ts";
import { describeFiles } from "../../trust/io/describe-files.ts";
import { loadIdentity } from "../../trust/io/identity-store.ts";
import { loadCharterOf, loadMember, loadRoot } from "../../trust/io/member-files.ts";
import { exceptionFindings } from "../agent/federation/exception-findings.ts";
import { issuerFindings } from "../agent/issuer/issuer-findings.ts";

/** What a folder of `isthmus trust` is for; by the names in it. */
export type TrustKind = "root" | "member" | "identity" | "charter";

const marks: readonly (readonly [TrustKind, RegExp])[] = [
  ["root", /^root\.(?:pem|key)$/],
  ["member", /^member\.(?:pem|key)$/],
  ["identity", /^svid\.(?:pem|key)$/],
  ["charter", /^charter\.json$/],
];

/** Undefined: it is no folder of keys and certificates, or cannot be read. */
export async function trustKindOf(dir: string): Promise<TrustKind | undefined> {
  const names = await readdir(dir).catch((): readonly string[] => []);
  return marks.find(([, mark]) => names.some((name) => mark.test(name)))?.[0];
}

/** By its name: it is never read as a manifest. */
export function isKeyFile(file: string): boolean {
  return [".pem", ".key"].includes(extname(file));
}

/** A `charter.json`, whatever it is called. */
export function isCharter(text: string): boolean {
  return /^\s*\{\s*"format"\s*:\s*1\b[^]*"charter"\s*:/.test(text);
}

/** Says what a folder is, and what is wrong with it: unreadable, not signed by its own root, ended. */
export async function checkTrustFolder(
  dir: string,
  kind: TrustKind,
  nowMs: number,
): Promise<readonly Finding[]> {
  try {
    return await looks[kind](dir, nowMs);
  } catch (thrown) {
    return [unusable(dir, thrown)];
  }
}

const looks: Readonly<
  Record<TrustKind, (dir: string, nowMs: number) => Promise<readonly Finding[]>>
> = {
  root: async (dir, nowMs) => {
    const { root, charter, bundle } = await loadRoot(dir);
    const { mesh, number } = charter.charter;
    return [
      ...ended(dir, [root.certificate, ...bundle.roots], nowMs),
      ...exceptionFindings(charter.charter),
      isOne(dir, `the root of ${mesh}, charter ${number}; keep it offline`),
    ];
  },
  member: async (dir, nowMs) => {
    const files = await loadMember(dir);
    const { member, charter, issuer, bundle, mesh } = files;
    const over = ended(dir, [issuer.certificate, ...bundle.roots], nowMs);
    const aging =
      over.length > 0
        ? []
        : issuerFindings(issuer.certificate, { subject: dir, nowMs, isRenewed: false });
    const entry = charterMember(charter.charter, member);
    const wrong =
      entry === undefined
        ? [`its charter does not have "${member}"`]
        : entry.state === "denied"
          ? [`its charter denies "${member}"`]
          : entry.issuers.includes(issuer.certificate.spkiSha256)
            ? []
            : ["its charter does not list the issuer in member.pem"];
    return [
      ...wrong.map((truth) => unusable(dir, truth)),
      ...over,
      ...aging,
      ...exceptionFindings(charter.charter),
      isOne(dir, `member ${member} of ${mesh}, charter ${charter.charter.number}`),
    ];
  },
  identity: async (dir, nowMs) => {
    const { id, notAfterMs } = await loadIdentity(dir);
    const over = notAfterMs <= nowMs ? [endedAt(dir, `the identity ${id}`, notAfterMs)] : [];
    return [...over, isOne(dir, `the identity ${id}, until ${dayOf(notAfterMs)}`)];
  },
  charter: (dir, nowMs) => lookAtCharter(dir, nowMs),
};

/** The same of one file. */
export async function checkTrustFile(file: string, nowMs: number): Promise<readonly Finding[]> {
  try {
    if (!isKeyFile(file)) return await lookAtCharter(file, nowMs);
    const [described] = await describeFiles([file]);
    return (described?.content ?? []).map((one) => findingOf(file, one, nowMs));
  } catch (thrown) {
    return [unusable(file, thrown)];
  }
}

async function lookAtCharter(path: string, nowMs: number): Promise<readonly Finding[]> {
  const { charter, bundle } = await loadCharterOf(path);
  const { mesh, number, members } = charter;
  return [
    ...ended(path, bundle.roots, nowMs),
    ...exceptionFindings(charter),
    isOne(
      path,
      `charter ${number} of ${mesh}; it names ${members.map(({ name }) => name).join(", ") || "nobody"}`,
    ),
  ];
}

function findingOf(file: string, one: Description, nowMs: number): Finding {
  switch (one.t) {
    case "certificate": {
      const what = `the certificate of ${one.role} ${one.name}`;
      if (one.notAfterMs <= nowMs) return endedAt(file, what, one.notAfterMs);
      return isOne(file, `${what}, until ${dayOf(one.notAfterMs)}`);
    }
    case "key":
      return isOne(file, "a private key; nobody else may read it");
    case "charter":
      return isOne(file, `charter ${one.charter.number} of ${one.charter.mesh}`);
    case "unreadable":
      return unusable(file, one.reason);
  }
}

function ended(
  subject: string,
  certificates: readonly Certificate[],
  nowMs: number,
): readonly Finding[] {
  const over = certificates.filter(({ notAfterMs }) => notAfterMs <= nowMs);
  const bySha = new Map(over.map((one) => [one.sha256, one]));
  return [...bySha.values()].map(({ commonName, notAfterMs }) =>
    endedAt(subject, `the certificate ${commonName ?? ""}`.trimEnd(), notAfterMs),
  );
}

function endedAt(subject: string, what: string, notAfterMs: number): Finding {
  const message = `${what} ended ${dayOf(notAfterMs)}; isthmus trust issue makes a new one`;
  return { code: "TRUST_ENDED", severity: "error", subject, message };
}

function unusable(subject: string, thrown: unknown): Finding {
  if (thrown instanceof Error && !(thrown instanceof MeshError)) throw thrown;
  const message = typeof thrown === "string" ? thrown : reasonOf(thrown);
  return { code: "TRUST_UNUSABLE", severity: "error", subject, message };
}

function isOne(subject: string, what: string): Finding {
  const message = `it is ${what}; isthmus trust show ${subject} says more`;
  return { code: "TRUST_FILES", severity: "info", subject, message };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
