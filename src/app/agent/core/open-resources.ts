import { defaultMaxClientHelloBytes } from "../../../gateway/door/listener.ts";
import { MemberResources } from "../../../gateway/sets/member-resources.ts";
import { defaultProxySettings } from "../../../proxy/settings.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";

/** What the member's proxies are told before any service is known. */
export function openResources(
  { member, mesh, gateway }: AgentConfig,
  trust: AgentTrust,
): MemberResources {
  const { name, cloud, region, network } = member;
  return new MemberResources({
    place: { member: name, cloud, region, network },
    gateway: {
      member: name,
      mesh,
      maxClientHelloBytes: gateway.maxClientHelloBytes ?? defaultMaxClientHelloBytes,
    },
    settings: defaultProxySettings,
    trust: trust.view(),
    doors: gateway.addresses,
  });
}
