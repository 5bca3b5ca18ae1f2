import { linkFaults } from "./mesh/scenarios/link-faults.ts";
import { loadFaults } from "./mesh/scenarios/load-faults.ts";
import { regionFaults } from "./mesh/scenarios/region-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

// Not on the mesh that lost its gateways: a member that fell often is held back for minutes.
strikeEach("envoy", [...regionFaults, ...linkFaults, ...loadFaults]);
