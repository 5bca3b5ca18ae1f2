import { stringify } from "yaml";
import { formatHostPort } from "../../../mesh/address.ts";
import type { SidecarConfig } from "../../config/config.ts";

const head = `# Written by \`isthmus vm join\`, and again each time it runs: what is changed here is lost. \`isthmus sidecar\`
# runs it as it stands. What "upstreams" listen at stays the same from time to time.
`;

/** sidecar.yaml of a VM; the identity's folder is the one beside it. */
export function sidecarText(
  config: Omit<SidecarConfig, "identity" | "logLevel" | "workers">,
): string {
  const { agent, otherAgents = [], admin, upstreams, inbound, dns, registration, ...rest } = config;
  const document = {
    agent: [agent, ...otherAgents].map(formatHostPort),
    identity: { dir: "./svid" },
    ...rest,
    admin: formatHostPort(admin),
    upstreams: upstreams.map((one) => ({ ...one, listen: formatHostPort(one.listen) })),
    inbound: inbound.map(({ endpoint, listen, app }) => ({
      endpoint: formatHostPort(endpoint),
      listen: formatHostPort(listen),
      app: formatHostPort(app),
    })),
    ...(registration === undefined ? {} : { registration: registered(registration) }),
    ...(dns === undefined ? {} : { dns: { listen: formatHostPort(dns.listen) } }),
  };
  return head + stringify(document, { lineWidth: 0 });
}

/** What is allowed is written, what is not is left out. */
function registered({ allowExec, ...rest }: NonNullable<SidecarConfig["registration"]>): object {
  return { ...rest, ...(allowExec ? { allowExec } : {}) };
}
