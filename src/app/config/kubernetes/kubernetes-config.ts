import { mapped, object, optional, type Parser, path, text } from "../config-parser.ts";
import { type LeaseConfig, lease } from "./lease-config.ts";
import { type TokenRulesConfig, tokenRules } from "./token-config.ts";

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
}

interface Fields extends Omit<KubernetesConfig, "access"> {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

export const kubernetes: Parser<KubernetesConfig> = mapped(
  object<Fields>({
    kubeconfig: optional<string | undefined>(path, undefined),
    context: optional<string | undefined>(text(), undefined),
    identity: optional<TokenRulesConfig | undefined>(tokenRules, undefined),
    lease: optional<LeaseConfig | undefined>(lease, undefined),
  }),
  ({ kubeconfig, context, ...rest }) => ({
    ...rest,
    access: {
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    },
  }),
);
