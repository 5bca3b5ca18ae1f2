import { workloadFaults } from "./mesh/scenarios/workload-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

strikeEach("envoy", workloadFaults);
