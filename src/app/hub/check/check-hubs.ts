import type { HubConfig } from "../../config/config.ts";
import type { HubFinding } from "../hub-finding.ts";
import type { HubTarget } from "../hub-target.ts";
import type { HubFacts, HubReading } from "./hub-facts.ts";
import { judgeHub } from "./judge-hub.ts";
import { readHub } from "./read-hub.ts";

export interface CheckedHub {
  readonly hub: string;
  readonly url: string;
  /** Undefined when it could not be asked; the findings say why. */
  readonly facts: HubFacts | undefined;
  readonly isReachable: boolean;
  readonly findings: readonly HubFinding[];
}

/** Looks at all hubs at once. Throws when a file that the configuration names cannot be used. */
export function checkHubs(target: HubTarget): Promise<readonly CheckedHub[]> {
  const members = (target.charter?.charter.members ?? [])
    .filter(({ state }) => state === "active")
    .map(({ name }) => name);
  return Promise.all(
    target.hubs.map(async (hub) => {
      const { mesh, member } = target;
      return checkedOf(hub, await readHub(hub, { mesh, member, members }));
    }),
  );
}

function checkedOf(hub: HubConfig, reading: HubReading): CheckedHub {
  return {
    hub: hub.name,
    url: hub.url,
    facts: reading.t === "read" ? reading.facts : undefined,
    isReachable: reading.t === "read" || reading.trouble.t !== "unreachable",
    findings: judgeHub(reading, { hub: hub.name, nowMs: Date.now() }),
  };
}
