import type { Certificate } from "./certificate.ts";
import type { GeneralName, NameConstraints } from "./general-name.ts";

/**
 * Why the names of `subject` break the constraints, or undefined. Rules are those of RFC 5280
 * section 4.2.1.10 as OpenSSL and BoringSSL apply them: a bare URI host means that host alone (Go
 * would take its subdomains too), a bare DNS name means itself and everything below it.
 */
export function constraintBroken(
  constraints: NameConstraints,
  subject: Certificate,
): string | undefined {
  // A base we cannot read might forbid what we let pass.
  const unread = [...constraints.permitted, ...constraints.excluded].some(
    (base) => base.t === "other",
  );
  if (unread) return "its issuer has name constraints of an unknown kind";
  return namesOf(subject)
    .map((name) => nameBroken(constraints, name))
    .find((reason) => reason !== undefined);
}

function namesOf(subject: Certificate): readonly GeneralName[] {
  const names = subject.extensions.subjectAltName?.names ?? [];
  const mails = subject.subjectEmails.map((value): GeneralName => ({ t: "email", value }));
  return [...names, ...mails];
}

function nameBroken(constraints: NameConstraints, name: GeneralName): string | undefined {
  // Nothing constrains the kinds that we do not read, and nothing of ours ever reads them.
  if (name.t === "other") return undefined;
  const ofKind = (bases: readonly GeneralName[]): readonly GeneralName[] =>
    bases.filter((base) => base.t === name.t);
  const permitted = ofKind(constraints.permitted);
  const shown = name.t === "ip" ? name.bytes.toString("hex") : name.value;
  if (ofKind(constraints.excluded).some((base) => matches(name, base, "excluded"))) {
    return `name ${name.t}:${shown} is excluded by its issuer`;
  }
  const isPermitted =
    permitted.length === 0 || permitted.some((base) => matches(name, base, "permitted"));
  return isPermitted ? undefined : `name ${name.t}:${shown} is not permitted by its issuer`;
}

type Tree = "permitted" | "excluded";

/** In doubt a name is excluded and not permitted. */
function matches(name: GeneralName, base: GeneralName, tree: Tree): boolean {
  const doubtful = tree === "excluded";
  if (name.t === "ip" && base.t === "ip") return isIpInside(name.bytes, base.bytes) ?? doubtful;
  if (name.t === "uri" && base.t === "uri") {
    const host = hostOfUri(name.value);
    return host === undefined ? doubtful : isHostInside(host, base.value.toLowerCase());
  }
  if (name.t === "dns" && base.t === "dns") {
    const [host, inside] = [name.value.toLowerCase(), base.value.toLowerCase()];
    // A wildcard above an excluded name would cover it.
    const covers = tree === "excluded" && host.startsWith("*.") && inside.endsWith(host.slice(1));
    return covers || isDnsInside(host, inside);
  }
  if (name.t === "email" && base.t === "email") {
    return isMailInside(name.value, base.value) ?? doubtful;
  }
  return doubtful;
}

function hostOfUri(uri: string): string | undefined {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1];
  const host = authority?.slice(authority.lastIndexOf("@") + 1).replace(/:\d*$/, "");
  return host === undefined || host === "" || host.startsWith("[") ? undefined : host.toLowerCase();
}

function isHostInside(host: string, base: string): boolean {
  return base.startsWith(".") ? host.endsWith(base) && host.length > base.length : host === base;
}

function isDnsInside(name: string, base: string): boolean {
  if (base === "") return true;
  return name === base || name.endsWith(base.startsWith(".") ? base : `.${base}`);
}

function isMailInside(mail: string, base: string): boolean | undefined {
  const at = mail.lastIndexOf("@");
  if (at < 1) return undefined;
  if (base === "") return true;
  if (base.includes("@")) return mail.toLowerCase() === base.toLowerCase();
  return isHostInside(mail.slice(at + 1).toLowerCase(), base.toLowerCase());
}

function isIpInside(address: Buffer, base: Buffer): boolean | undefined {
  if ((address.length !== 4 && address.length !== 16) || base.length % 8 !== 0) return undefined;
  if (base.length !== address.length * 2) return false;
  const size = address.length;
  return address.every((byte, index) => {
    const mask = base[size + index] ?? 0xff;
    return (byte & mask) === ((base[index] ?? 0) & mask);
  });
}
