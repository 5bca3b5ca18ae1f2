import type { MeshFault } from "./fault.ts";
import { gatewayFaults } from "./scenarios/gateway-faults.ts";
import { workloadFaults } from "./scenarios/workload-faults.ts";

export const meshFaults: readonly MeshFault[] = [...workloadFaults, ...gatewayFaults];
