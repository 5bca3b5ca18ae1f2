import { parseIp, parseIpRange } from "../../mesh/address.ts";
import { sidecarSources } from "../../proxy/resources/original-dst-clusters.ts";

/** What is led to a sidecar, and what is not. */
export interface CaptureRules {
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** Whom the sidecar runs as: what these dial goes where they say. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly openInboundPorts: readonly number[];
  readonly openOutboundPorts: readonly number[];
  /** CIDR. */
  readonly openOutboundRanges: readonly string[];
}

/** The one table that is ours; nothing else is ever touched. */
export const tableName = "inet isthmus";

// Whoever asks for a name must not wait for a sidecar, over TCP either.
const dnsPort = 53;

/**
 * Replaces the table, or makes it, in one transaction: input of `nft -f -`. Only connections' first packets
 * meet these chains, so what is open stays as it is.
 */
export function applyScript(rules: CaptureRules): string {
  return `${removeScript()}table ${tableName} {
${chain("outbound", outboundLines(rules))}
${chain("sidecar", sidecarLines(rules))}
${chain("inbound", inboundLines(rules))}
}
`;
}

/** Leaves nothing, and does nothing where nothing is. */
export function removeScript(): string {
  // To delete what there is not is an error, to add what there is is none.
  return `table ${tableName}\ndelete table ${tableName}\n`;
}

function chain(name: string, lines: readonly string[]): string {
  return [`\tchain ${name} {`, ...lines.map((line) => `\t\t${line}`), "\t}"].join("\n");
}

/** What processes of this machine dial. */
function outboundLines(rules: CaptureRules): readonly string[] {
  const { gids, uids, openOutboundPorts, openOutboundRanges } = rules;
  return [
    "type nat hook output priority -100; policy accept;",
    "meta l4proto != tcp return",
    ...someOf("meta skuid", uids, "goto sidecar"),
    ...someOf("meta skgid", gids, "goto sidecar"),
    // Whoever dials this machine by its own address means this machine.
    "fib daddr type local return",
    ...someOf("tcp dport", [dnsPort, ...openOutboundPorts], "return"),
    ...openOutboundRanges.map((range) => `${familyOf(range)} daddr ${range} return`),
    `meta l4proto tcp redirect to :${rules.outboundPort}`,
  ];
}

/** What the sidecar dials: its own machine as everybody else does, from outside. */
function sidecarLines({ inboundPort, openInboundPorts }: CaptureRules): readonly string[] {
  return [
    // It hands a connection to its application.
    `ip saddr ${sidecarSources.v4} return`,
    `ip6 saddr ${sidecarSources.v6} return`,
    "ip daddr 127.0.0.0/8 return",
    "ip6 daddr ::1 return",
    ...someOf("tcp dport", openInboundPorts, "return"),
    `fib daddr type local meta l4proto tcp redirect to :${inboundPort}`,
  ];
}

/** What others dial here; what is only forwarded goes its way. */
function inboundLines({ inboundPort, openInboundPorts }: CaptureRules): readonly string[] {
  return [
    "type nat hook prerouting priority -100; policy accept;",
    "meta l4proto != tcp return",
    'iifname "lo" return',
    "fib daddr type != local return",
    ...someOf("tcp dport", openInboundPorts, "return"),
    `meta l4proto tcp redirect to :${inboundPort}`,
  ];
}

function someOf(what: string, values: readonly number[], verdict: string): readonly string[] {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  return sorted.length === 0 ? [] : [`${what} { ${sorted.join(", ")} } ${verdict}`];
}

function familyOf(range: string): "ip" | "ip6" {
  return parseIp(parseIpRange(range).text.split("/")[0] ?? "")?.bits === 128 ? "ip6" : "ip";
}
