import { gatewayFaults } from "./mesh/scenarios/gateway-faults.ts";
import { linkFaults } from "./mesh/scenarios/link-faults.ts";
import { loadFaults } from "./mesh/scenarios/load-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

const regionFaults = gatewayFaults.filter(({ name }) => name.startsWith("region-"));

strikeEach("envoy", [...regionFaults, ...linkFaults, ...loadFaults]);
