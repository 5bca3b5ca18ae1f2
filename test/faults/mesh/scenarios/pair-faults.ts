import type { MeshFault } from "../fault.ts";
import { controlFaults } from "./control-faults.ts";
import { gatewayFaults } from "./gateway-faults.ts";
import { linkFaults } from "./link-faults.ts";
import { regionFaults } from "./region-faults.ts";
import { workloadFaults } from "./workload-faults.ts";

const singles = [
  ...workloadFaults,
  ...gatewayFaults,
  ...regionFaults,
  ...controlFaults,
  ...linkFaults,
];

/**
 * Two at once: the first is already there when the second strikes, whose targets count. Each pair takes away
 * what the other one relies on.
 */
export const pairFaults: readonly MeshFault[] = [
  pair("agent-killed", "locals-killed"),
  pair("agent-hung", "gateway-killed"),
  pair("next-agent-killed", "region-silent"),
  pair("hub-eu-killed", "local-killed"),
  pair("hub-us-hung", "region-silent"),
  pair("gateway-killed", "remote-app-dead"),
  pair("locals-killed", "region-silent"),
  pair("slow-links", "gateway-killed"),
];

function pair(first: string, second: string): MeshFault {
  const [before, after] = [named(first), named(second)];
  return {
    ...after,
    name: `${first}+${second}`,
    title: `${before.title}; then ${after.title}`,
    rttMs: Math.max(before.rttMs ?? 0, after.rttMs ?? 0),
    isRare: true,
    prepare: (mesh) => before.strike(mesh),
    mend: async (mesh) => {
      await after.mend(mesh);
      await before.mend(mesh);
    },
  };
}

function named(name: string): MeshFault {
  const fault = singles.find((one) => one.name === name);
  if (fault === undefined) throw new RangeError(`there is no fault ${name}`);
  return fault;
}
