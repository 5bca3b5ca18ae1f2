import type { ProbeReport } from "../../../gateway/io/prober.ts";
import type { GatewayBook } from "../../../gateway/remote/gateway-book.ts";
import { formatHostPort } from "../../../mesh/address.ts";
import type { Finding } from "../../../mesh/service.ts";

/** Says which gateway, by the name that its member gives it, and why it counts as silent. */
export function silenceFinding(report: ProbeReport, book: GatewayBook): Finding {
  const { member, address, port, lastFailure } = report;
  const at = formatHostPort({ host: address, port });
  const entry = book.find((one) => one.address === address && one.port === port);
  const isNamed = entry !== undefined && entry.name !== address;
  const gateway = isNamed ? `${formatHostPort({ host: entry.name, port })} (${at})` : at;
  const why = lastFailure === undefined ? "" : `: ${lastFailure.reason}`;
  return {
    code: "GATEWAY_SILENT",
    severity: "warning",
    subject: member,
    message: `its gateway ${gateway} does not answer probes${why}`,
  };
}
