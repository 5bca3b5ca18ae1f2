import { checked, mapped, object, optional, type Parser, path, text } from "../config-parser.ts";
import { type LeaseConfig, lease } from "./lease-config.ts";
import { type DnsConfig, dns, type McsConfig, mcs } from "./mcs-config.ts";
import { type TokenRulesConfig, tokenRules } from "./token-config.ts";
import { type WebhookConfig, webhook } from "./webhook-config.ts";

/** `kubernetes` of agent.yaml: what the agent does for its own cluster besides reading it. */
export interface KubernetesConfig {
  /** With neither, the cluster that the agent runs in. */
  readonly access: {
    /** Absolute. */
    readonly kubeconfig?: string;
    /** Absent: the kubeconfig's current one. */
    readonly context?: string;
  };
  /** Absent: no token buys an identity. */
  readonly identity?: TokenRulesConfig;
  /** Absent: this agent is alone, or `catalog.replicas` find out over the hubs who writes. */
  readonly lease?: LeaseConfig;
  /** Absent: nothing is imported into the cluster, and its exports are told nothing. */
  readonly mcs?: McsConfig;
  /** Absent: the names of imports are not answered here. */
  readonly dns?: DnsConfig;
  /** Absent: API servers ask this agent for no sidecars. */
  readonly webhook?: WebhookConfig;
}

interface Fields extends Omit<KubernetesConfig, "access"> {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

export const kubernetes: Parser<KubernetesConfig> = mapped(
  checked(
    object<Fields>({
      kubeconfig: optional<string | undefined>(path, undefined),
      context: optional<string | undefined>(text(), undefined),
      identity: optional<TokenRulesConfig | undefined>(tokenRules, undefined),
      lease: optional<LeaseConfig | undefined>(lease, undefined),
      mcs: optional<McsConfig | undefined>(mcs, undefined),
      webhook: optional<WebhookConfig | undefined>(webhook, undefined),
      dns: optional<DnsConfig | undefined>(dns, undefined),
    }),
    ({ dns: names, mcs: imports, webhook: hook, identity }) => {
      if (hook !== undefined && identity === undefined) {
        return "it has `webhook` without the `identity` that injected sidecars ask for";
      }
      return names !== undefined && imports === undefined
        ? "it has `dns` without the `mcs` whose imports have names"
        : undefined;
    },
  ),
  ({ kubeconfig, context, ...rest }) => ({
    ...rest,
    access: {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    },
  }),
);
