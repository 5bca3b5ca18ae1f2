import { isIp } from "../../../mesh/address.ts";
import type { MemberName, Namespace } from "../../../mesh/ids.ts";
import type { AgentConfig, GatewayService } from "../../config/config.ts";
import { type AgentKubernetes, openAgentKubernetes } from "../../kubernetes/agent-kubernetes.ts";
import type { AgentCore } from "../core/agent-core.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { exportRefusal } from "../trust/export-refusal.ts";

/** What the agent does for its own cluster; undefined: it has none. */
export async function openCluster(
  { kubernetes, gateway: { service } }: AgentConfig,
  parts: Omit<
    Parameters<typeof openAgentKubernetes>[1],
    "trustDomain" | "bundlePem" | "refusalOf" | "core" | "gateway"
  > & {
    readonly trust: AgentTrust;
    readonly core: AgentCore;
  },
): Promise<AgentKubernetes | undefined> {
  if (kubernetes === undefined) return undefined;
  const { trust, ...rest } = parts;
  const trustDomain = trust.view().ownTrustDomain;
  const bundlePem = (): string => trust.charter().bundle.pem;
  const refusalOf = (namespace: Namespace): string | undefined => {
    const reason = exportRefusal(trust, { self: parts.self, namespace });
    return reason === undefined ? undefined : `the other members do not take it: ${reason}`;
  };
  const gateway = service === undefined ? {} : { gateway: gatewayParts(service, parts) };
  const own = { trustDomain, bundlePem, refusalOf, ...gateway };
  return await openAgentKubernetes(kubernetes, { ...own, ...rest });
}

function gatewayParts(
  service: GatewayService,
  parts: { readonly self: MemberName; readonly trust: AgentTrust; readonly core: AgentCore },
): NonNullable<Parameters<typeof openAgentKubernetes>[1]["gateway"]> {
  return {
    service,
    onAddresses: (addresses) => parts.core.drains.own.setAddresses(addresses),
    refusalOf: (host) => {
      // What a name stands for is judged by those who resolve it.
      if (!isIp(host)) return undefined;
      const verdict = parts.trust.checkClaim(parts.self, { t: "address", address: host });
      return verdict.t === "ok" ? undefined : verdict.reason;
    },
  };
}
