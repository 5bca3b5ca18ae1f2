import type { Arguments, Option } from "../command.ts";

/** What a charter says of a member, and where what its agent needs is written. */
export const memberOptions: Readonly<Record<string, Option>> = {
  dir: { type: "string", hint: "D", about: "the root's folder", required: true },
  out: { type: "string", hint: "E", about: "an empty or new folder", required: true },
  cloud: { type: "string", hint: "C", about: "aws, azure, gcp, … (default: onprem)" },
  region: { type: "string", hint: "R", about: "default: a region of its own" },
  network: {
    type: "string",
    hint: "N",
    about: "members of one network reach each other's workloads directly (default: NAME)",
  },
  "gateway-range": {
    type: "string",
    hint: "CIDR",
    about: "where its gateways and endpoints may be (default: any routable address)",
    multiple: true,
  },
  export: {
    type: "string",
    hint: "NS",
    about: "a namespace it may export; * is all (default: none)",
    multiple: true,
  },
  renew: { type: "boolean", about: "replace the entry and the issuer of a member that exists" },
};

export interface MemberWords {
  readonly name: string;
  readonly dir: string;
  readonly out: string;
  readonly cloud: string | undefined;
  readonly region: string | undefined;
  readonly network: string | undefined;
  readonly gatewayRanges: readonly string[];
  readonly mayExport: readonly string[];
  readonly renew: boolean;
}

export function memberWords(args: Arguments): MemberWords {
  return {
    name: args.positionals[0] ?? "",
    dir: args.text("dir") ?? "",
    out: args.text("out") ?? "",
    cloud: args.text("cloud"),
    region: args.text("region"),
    network: args.text("network"),
    gatewayRanges: args.texts("gateway-range"),
    mayExport: args.texts("export"),
    renew: args.has("renew"),
  };
}
