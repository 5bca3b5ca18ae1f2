import { gatewayFaults } from "./mesh/scenarios/gateway-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

strikeEach("envoy", gatewayFaults);
