import { gatewayFaults } from "./mesh/scenarios/gateway-faults.ts";
import { linkFaults } from "./mesh/scenarios/link-faults.ts";
import { loadFaults } from "./mesh/scenarios/load-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

strikeEach("envoy", [...gatewayFaults, ...linkFaults, ...loadFaults]);
