import { gatewayFaults } from "./mesh/scenarios/gateway-faults.ts";
import { strikeEach } from "./mesh/strike-each.ts";

// Whole regions are in mesh-link-faults: a member that fell often is held back for minutes.
strikeEach(
  "envoy",
  gatewayFaults.filter(({ name }) => !name.startsWith("region-")),
);
