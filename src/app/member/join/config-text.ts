import type { HostPort } from "../../../mesh/address.ts";
import { formatHostPort } from "../../../mesh/address.ts";
import { type CharterMember, charterMember } from "../../../mesh/charter.ts";
import type { MemberFiles } from "../../../trust/io/member-files.ts";
import type { JoinHub } from "../../../xds/joining.ts";

/** What an agent's configuration is made of besides the charter. */
export interface ConfigWords {
  readonly hubs: readonly JoinHub[];
  /** Agents that may use the root: they renew the member's issuer. */
  readonly agents: readonly HostPort[];
  readonly gateways: readonly HostPort[];
  /** Absent: the defaults. */
  readonly xds: HostPort | undefined;
  readonly http: HostPort | undefined;
}

/** `agent.yaml` of a member that has just joined. What came from outside stands in quotes. */
export function configText({ charter, member, mesh }: MemberFiles, words: ConfigWords): string {
  const entry = charterMember(charter.charter, member);
  if (entry === undefined) throw new RangeError("A member that was loaded stands in its charter");
  return `mesh: ${mesh}
${memberLine(entry)}
trust: { dir: ./trust, renewAt: ${addresses(words.agents)} }
catalog:
${hubLines(entry, words.hubs)}  snapshotDir: ./state
sources: [{ files: ./services }]
${words.gateways.length === 0 ? "" : `gateway: { addresses: ${addresses(words.gateways)} }\n`}${listenLine("xds", words.xds)}${listenLine("http", words.http)}`;
}

function memberLine({ name, cloud, region, network }: CharterMember): string {
  const quoted = [name, cloud, region, network].map((word) => JSON.stringify(word));
  const [first, second, third, fourth] = quoted;
  return `member: { name: ${first}, cloud: ${second}, region: ${third}, network: ${fourth} }`;
}

function hubLines({ name }: CharterMember, hubs: readonly JoinHub[]): string {
  if (hubs.length === 0) return "  memory: true\n";
  const lines = hubs.map(({ url, needsPassword, needsCa }, index) => {
    const number = hubs.length === 1 ? "" : `-${index + 1}`;
    const user = needsPassword ? `, username: ${name}, passwordFile: ./hub${number}.pw` : "";
    const ca = needsCa ? `, caFile: ./hub${number}-ca.pem` : "";
    return `    - { url: ${JSON.stringify(url)}${user}${ca} }\n`;
  });
  return `  hubs:\n${lines.join("")}`;
}

function addresses(all: readonly HostPort[]): string {
  return `[${all.map((one) => JSON.stringify(formatHostPort(one))).join(", ")}]`;
}

function listenLine(key: string, listen: HostPort | undefined): string {
  return listen === undefined
    ? ""
    : `${key}: { listen: ${JSON.stringify(formatHostPort(listen))} }\n`;
}
