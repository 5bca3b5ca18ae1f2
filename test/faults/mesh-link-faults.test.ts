import { linkFaults } from "./mesh/scenarios/link-faults.ts";
import { loadFaults } from "./mesh/scenarios/load-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

// Not on the mesh that gateway faults struck: a member that fell often is held back for minutes.
strikeEach("envoy", [...linkFaults, ...loadFaults]);
