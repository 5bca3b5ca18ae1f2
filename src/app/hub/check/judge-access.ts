import { type HubFinding, type Note, noteAbout } from "../hub-finding.ts";
import type { HubFacts, Right, TransportFacts } from "./hub-facts.ts";

const dayMs = 86_400_000;
const endsSoonMs = 14 * dayMs;
const endsNowMs = 2 * dayMs;

/** Who can read what travels, and for how long yet. */
export function judgeTransport(
  transport: TransportFacts,
  about: { readonly subject: string; readonly nowMs: number },
): readonly HubFinding[] {
  const note = noteAbout(about.subject);
  if (transport.t === "plain") {
    // Nobody but this machine hears what never leaves it.
    if (transport.isLoopback) return [];
    return [
      note("HUB_PLAINTEXT", "warning", {
        message:
          "without TLS, password and topology can be read on the way; what is signed cannot be changed",
        remedy:
          "use rediss:// (redis-server --tls-port), with caFile where its CA is not a public one",
      }),
    ];
  }
  const leftMs = (transport.certificateEndsMs ?? Number.POSITIVE_INFINITY) - about.nowMs;
  if (leftMs > endsSoonMs) return [];
  return [
    note("HUB_CERTIFICATE_ENDS", leftMs > endsNowMs ? "warning" : "error", {
      message: `its certificate ends in ${Math.floor(leftMs / dayMs)} days; then nobody connects any more`,
      remedy:
        "renew it; redis-server reads the new one with CONFIG SET tls-cert-file or at a restart",
    }),
  ];
}

/** Whether this member can do its work, and nothing else. */
export function judgeRights({ rights }: HubFacts, subject: string): readonly HubFinding[] {
  const note = noteAbout(subject);
  return [...judgeNeeded(rights.needed, note), ...judgeBeyond(rights, note)];
}

function userOf({ user, isAnonymous }: HubFacts["rights"]): string {
  if (isAnonymous) return "whoever reaches it, without a password,";
  return user.t === "told" ? `user ${user.value}` : "this user";
}

function judgeNeeded(needed: readonly Right[], note: Note): readonly HubFinding[] {
  const denied = whatOf(needed, "denied");
  if (denied.length === 0) return [];
  return [
    note("HUB_RIGHTS_MISSING", "error", {
      message: `this member may not ${denied.join(", ")}`,
      remedy: "give its user the line that `isthmus hub acl` prints (ACL LOAD)",
    }),
  ];
}

function judgeBeyond(rights: HubFacts["rights"], note: Note): readonly HubFinding[] {
  const { beyond } = rights;
  const allowed = whatOf(beyond, "allowed");
  if (allowed.length > 0) {
    return [
      note("HUB_RIGHTS_WIDE", "warning", {
        message: `${userOf(rights)} may ${allowed.join(", ")}: nothing can be forged that way, but everything lost`,
        remedy: "give each member a user of its own: `isthmus hub acl` prints the users.acl",
      }),
    ];
  }
  if (!beyond.some(({ verdict }) => verdict === "unknown")) return [];
  return [
    note("HUB_CANNOT_TELL", "info", {
      message: `it does not tell whether this member may ${whatOf(beyond, "unknown").join(", ")}`,
      remedy: "compare its user with what `isthmus hub acl` prints",
    }),
  ];
}

function whatOf(rights: readonly Right[], verdict: Right["verdict"]): readonly string[] {
  return rights.filter((right) => right.verdict === verdict).map(({ what }) => what);
}
