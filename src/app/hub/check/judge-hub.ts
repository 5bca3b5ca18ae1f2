import { type HubFinding, noteAbout } from "../hub-finding.ts";
import { isOlder, productOf } from "../redis-info.ts";
import type { HubFacts, HubReading, HubTrouble } from "./hub-facts.ts";
import { judgeRights, judgeTransport } from "./judge-access.ts";
import { judgeDurability, judgeFailover, judgeReplication } from "./judge-durability.ts";
import { judgeMemory } from "./judge-memory.ts";

// Streams with MINID and ACL users; what the scripts use is older.
const oldestVersion = [6, 2] as const;
// `%R~` lets a member read what it may not write.
const firstWithKeyRights = [7, 0] as const;
// A member answers within its lease of 10 s only if a hub takes its beats in much less.
const slowP50Ms = 400;
const slowP99Ms = 1500;
// The bound that docs give for every clock of the mesh.
const maxSkewMs = 30_000;

/** All that is to be said of one hub, what is refused first. */
export function judgeHub(
  reading: HubReading,
  about: { readonly hub: string; readonly nowMs: number },
): readonly HubFinding[] {
  if (reading.t === "failed") return [judgeTrouble(reading.trouble, about.hub)];
  const { facts } = reading;
  const subject = about.hub;
  const [primary, ...replicas] = facts.nodes;
  const findings = [
    ...judgeVersion(facts, subject),
    ...judgeMemory(primary),
    // Of a replica only what makes it unfit to take over.
    ...replicas.flatMap(judgeMemory).filter(({ severity }) => severity === "error"),
    ...judgeReplication(facts, subject),
    ...judgeFailover(facts, subject),
    ...judgeDurability(primary),
    ...judgeTransport(facts.transport, { subject, nowMs: about.nowMs }),
    ...judgeRights(facts, subject),
    ...judgeSpeed(facts, subject),
    ...judgeClock(facts, subject),
    ...judgeContent(facts, subject),
  ];
  return findings.sort((left, right) => weights[left.severity] - weights[right.severity]);
}

const weights = { error: 0, warning: 1, info: 2 } as const;

function judgeTrouble(trouble: HubTrouble, subject: string): HubFinding {
  const note = noteAbout(subject);
  const message = trouble.reason;
  switch (trouble.t) {
    case "unreachable":
      return note("HUB_UNREACHABLE", "error", {
        message,
        remedy: "is it running, and do address, port and firewall fit?",
      });
    case "tls":
      return note("HUB_TLS_REFUSED", "error", {
        message,
        remedy:
          "compare caFile and serverName with its certificate, and redis:// or rediss:// with its port",
      });
    case "login":
      return note("HUB_LOGIN_REFUSED", "error", {
        message,
        remedy:
          "compare username and passwordFile with its users (ACL LIST there; ACL LOAD after a change)",
      });
    case "busy":
      return note("HUB_READ_ONLY", "error", { message, remedy: "wait, then ask again" });
    case "no-primary":
      return note("HUB_NO_PRIMARY", "error", {
        message,
        remedy:
          "compare the master's name with `SENTINEL MASTERS`, and look whether a failover is stuck",
      });
    case "strange":
      return note("HUB_STRANGE", "error", {
        message,
        remedy: "is there a Redis at this address, in the shape that the URL says?",
      });
  }
}

function judgeVersion({ nodes: [primary] }: HubFacts, subject: string): readonly HubFinding[] {
  const note = noteAbout(subject);
  const product = primary.info.t === "told" ? productOf(primary.info.value) : undefined;
  if (product === undefined) {
    const message = "it does not tell its version";
    const remedy = "it has to behave like Redis 6.2 or newer; 7.0 or newer to confine members";
    return [note("HUB_CANNOT_TELL", "info", { message, remedy })];
  }
  const shown = `${product.name} ${product.version}`;
  if (isOlder(product.like, oldestVersion)) {
    const message = `${shown} is too old; the catalog needs 6.2`;
    return [note("HUB_VERSION_OLD", "error", { message, remedy: "upgrade it" })];
  }
  if (!isOlder(product.like, firstWithKeyRights)) return [];
  const message = `${shown} cannot let a member read what it may not write: members are not confined`;
  const remedy = "upgrade to 7.0 or newer, then use `isthmus hub acl`";
  return [note("HUB_VERSION_OLD", "warning", { message, remedy })];
}

function judgeSpeed({ latency }: HubFacts, subject: string): readonly HubFinding[] {
  if (latency.p50Ms <= slowP50Ms && latency.p99Ms <= slowP99Ms) return [];
  return [
    noteAbout(subject)("HUB_SLOW", "warning", {
      message: `it answers in ${Math.round(latency.p50Ms)} ms (p50), ${Math.round(latency.p99Ms)} ms (p99): changes arrive that much later`,
      remedy: "put a hub into this region; members use all hubs and the nearest one is first",
    }),
  ];
}

function judgeClock({ skewMs }: HubFacts, subject: string): readonly HubFinding[] {
  if (skewMs.t === "untold" || Math.abs(skewMs.value) <= maxSkewMs) return [];
  const seconds = Math.round(Math.abs(skewMs.value) / 1000);
  return [
    noteAbout(subject)("HUB_CLOCK_SKEW", "warning", {
      message: `its clock is ${seconds} s ${skewMs.value > 0 ? "ahead of" : "behind"} the one here`,
      remedy: "look after NTP there and here: leases need no clock, certificates do",
    }),
  ];
}

function judgeContent({ content }: HubFacts, subject: string): readonly HubFinding[] {
  if (content.t === "untold") return [];
  const absent = content.value.flatMap((one) => one.absent);
  if (absent.length === 0) return [];
  const named = absent.slice(0, 5).join(", ") + (absent.length > 5 ? ", …" : "");
  return [
    noteAbout(subject)("HUB_MEMBER_ABSENT", "info", {
      message: `it holds nothing of ${absent.length} member${absent.length === 1 ? "" : "s"} of the charter: ${named}`,
      remedy: "their agents do not run, or do not name this hub in catalog.hubs",
    }),
  ];
}
