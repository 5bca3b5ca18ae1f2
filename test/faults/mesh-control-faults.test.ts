import { controlFaults } from "./mesh/scenarios/control-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

strikeEach("envoy", controlFaults);
