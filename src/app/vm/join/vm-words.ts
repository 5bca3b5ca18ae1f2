import { hostname } from "node:os";
import { canonicalIp, type HostPort, isIp, parseHostPort } from "../../../mesh/address.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { parseServiceId, type ServiceId } from "../../../mesh/ids.ts";
import { type GroupId, readGroupId } from "../../../mesh/workload-group.ts";
import type { EngineKind } from "../../config/config.ts";

/** What an operator types after `isthmus vm join`. */
export interface VmWords {
  readonly agent: string | undefined;
  readonly dir: string | undefined;
  readonly tokenFile: string | undefined;
  readonly group: string | undefined;
  readonly name: string | undefined;
  readonly address: string | undefined;
  readonly zone: string | undefined;
  readonly upstreams: readonly string[];
  readonly engine: string | undefined;
  readonly admin: string | undefined;
  readonly dns: string | undefined;
  readonly allowExec: boolean;
}

/** The same, read. What is undefined is found out, or stays as it was when the VM joined before. */
export interface VmOptions {
  /** Empty: those of the time before. */
  readonly agents: readonly HostPort[];
  readonly dir: string;
  readonly tokenFile: string | undefined;
  readonly group: GroupId | undefined;
  /** A DNS label. */
  readonly name: string;
  readonly address: string | undefined;
  readonly zone: string | undefined;
  readonly upstreams: readonly WantedUpstream[];
  readonly engine: EngineKind;
  readonly admin: HostPort | undefined;
  readonly dns: HostPort | "off";
  readonly allowExec: boolean;
}

export interface WantedUpstream {
  readonly service: ServiceId;
  readonly port: number;
  /** Absent: a free port of 127.0.0.1. */
  readonly listen?: HostPort;
}

/** Where the unit of `deploy/vm` keeps it. */
export const defaultVmDir = "/var/lib/isthmus";
// Not 53, which resolvers of the machine have, and not 5353, which is multicast DNS.
const defaultDns: HostPort = { host: "127.0.0.1", port: 15_053 };
// As many as an agent has replicas.
const maxAgents = 9;

/** Throws MESH_USAGE. */
export function readVmWords(words: VmWords): VmOptions {
  return {
    agents: agentsIn(words.agent),
    dir: words.dir ?? defaultVmDir,
    tokenFile: words.tokenFile,
    group: readOptional("--group", words.group, groupIn),
    name: nameIn(words.name ?? hostname(), words.name === undefined ? "this machine" : "--name"),
    address: readOptional("--address", words.address, addressIn),
    zone: words.zone,
    upstreams: words.upstreams.map((text) => readOption("--upstream", text, upstreamIn)),
    engine: readOption("--engine", words.engine ?? "embedded", engineIn),
    admin: readOptional("--admin", words.admin, parseHostPort),
    dns: readOptional("--dns", words.dns, dnsIn) ?? defaultDns,
    allowExec: words.allowExec,
  };
}

function agentsIn(text: string | undefined): readonly HostPort[] {
  if (text === undefined) return [];
  const agents = text.split(",").map((one) => readOption("--agent", one.trim(), parseHostPort));
  if (agents.length <= maxAgents) return agents;
  throw refusal("--agent", text, `it has more than ${maxAgents}`);
}

function upstreamIn(text: string): WantedUpstream {
  const [, service = "", port = "", listen] = /^([^:=]+):(\d{1,5})(?:=(.+))?$/.exec(text) ?? [];
  const number = Number(port);
  if (service === "" || number < 1 || number > 65_535) {
    throw new TypeError("it is not NAMESPACE/NAME:PORT, nor that with =ADDRESS:PORT after it");
  }
  return {
    service: parseServiceId(service),
    port: number,
    ...(listen === undefined ? {} : { listen: listenIn(listen) }),
  };
}

function listenIn(text: string): HostPort {
  const listen = parseHostPort(text);
  if (isIp(listen.host) && listen.port > 0) return listen;
  throw new TypeError(`"${text}" is no IP address with a port`);
}

/** Of whoever named a machine nobody expects that it is a label: what does not fit is left out. */
function nameIn(text: string, from: string): string {
  const [first = ""] = text.toLowerCase().split(".");
  const label = first.replaceAll(/[^a-z0-9-]/g, "-").replaceAll(/^-+|-+$/g, "");
  const isMeant = from === "this machine" || label === text;
  if (isMeant && label !== "" && label.length <= 63) return label;
  throw refusal(
    from,
    text,
    "it is no DNS label: letters a to z, digits, dashes inside, at most 63",
  );
}

function addressIn(text: string): string {
  if (isIp(text)) return canonicalIp(text);
  throw new TypeError("it is no IP address");
}

function groupIn(text: string): GroupId {
  const group = readGroupId(text);
  if (group !== undefined) return group;
  throw new TypeError("it is not NAMESPACE/NAME");
}

function engineIn(text: string): EngineKind {
  if (text === "embedded" || text === "envoy") return text;
  throw new TypeError("it is not embedded or envoy");
}

function dnsIn(text: string): HostPort | "off" {
  return text === "off" ? "off" : parseHostPort(text);
}

function readOptional<T>(
  option: string,
  text: string | undefined,
  read: (text: string) => T,
): T | undefined {
  return text === undefined ? undefined : readOption(option, text, read);
}

function readOption<T>(option: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (cause) {
    throw refusal(option, text, reasonOf(cause), cause);
  }
}

function refusal(option: string, text: string, truth: string, cause?: unknown): MeshError {
  const options = cause === undefined ? undefined : { cause };
  return new MeshError("MESH_USAGE", `Cannot read ${option} "${text}": ${truth}`, options);
}
