import { byAge, type Constituent } from "../mcs/constituents.ts";
import { hostnameOf } from "../mcs/hostname.ts";
import { mergeExports } from "../mcs/merge-exports.ts";
import type { NamedService, NamedWorkload } from "./service-zone.ts";

/** What names tell of an import; `ips` are its own. Undefined without any export. */
export function namedServiceOf(
  constituents: readonly Constituent[],
  ips: readonly string[],
): NamedService | undefined {
  const merged = mergeExports(constituents);
  if (merged === undefined) return undefined;
  const { type, ports } = merged;
  const isHeadless = type === "Headless";
  const workloads = isHeadless ? [...constituents].sort(byAge).flatMap(workloadsOf) : [];
  return { type, ports, ips: isHeadless ? [] : ips, workloads };
}

function workloadsOf({ member, isUsable, endpoints }: Constituent): readonly NamedWorkload[] {
  if (!isUsable) return [];
  return endpoints
    .filter(({ health }) => health === "healthy")
    .map((endpoint) => {
      const { address, ports } = endpoint;
      return { member, hostname: hostnameOf(endpoint) ?? labelOf(address), address, ports };
    });
}

/** For workloads whose name is no label. */
function labelOf(address: string): string {
  const label = address.replaceAll(/[.:]/g, "-");
  return label.replace(/^-/, "0-").replace(/-$/, "-0");
}
