import type { MeshFault } from "./fault.ts";
import { controlFaults } from "./scenarios/control-faults.ts";
import { expiryFault } from "./scenarios/expiry-fault.ts";
import { gatewayFaults } from "./scenarios/gateway-faults.ts";
import { linkFaults } from "./scenarios/link-faults.ts";
import { loadFaults } from "./scenarios/load-faults.ts";
import { pairFaults } from "./scenarios/pair-faults.ts";
import { regionFaults } from "./scenarios/region-faults.ts";
import { workloadFaults } from "./scenarios/workload-faults.ts";

export const meshFaults: readonly MeshFault[] = [
  ...workloadFaults,
  ...gatewayFaults,
  ...regionFaults,
  ...controlFaults,
  ...linkFaults,
  ...loadFaults,
  expiryFault,
  ...pairFaults,
];
