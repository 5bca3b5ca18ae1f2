import { accessFaults } from "./scenarios/access-faults.ts";
import { agentFaults } from "./scenarios/agent-faults.ts";
import { contentFaults } from "./scenarios/content-faults.ts";
import { hubFaults } from "./scenarios/hub-faults.ts";
import { shapeFaults } from "./scenarios/shape-faults.ts";
import { writerFaults } from "./scenarios/writer-faults.ts";
import type { Fault } from "./support/fault.ts";

/** Catalogs without proxies, on loopback: they mostly wait, and so run side by side. */
export const catalogFaults: readonly Fault[] = [
  ...contentFaults,
  ...hubFaults,
  ...accessFaults,
  ...shapeFaults,
  ...agentFaults,
  ...writerFaults,
];
