import type { HostPort } from "../../../mesh/address.ts";
import { type Namespace, parseNamespace } from "../../../mesh/ids.ts";
import { version } from "../../version.ts";
import { address, list, object, optional, type Parser, text } from "../config-parser.ts";

/** The webhook that gives pods their sidecar. */
export interface WebhookConfig {
  readonly listen: HostPort;
  /** DNS names under which the API server asks. */
  readonly names: readonly string[];
  /** Of the MutatingWebhookConfiguration whose caBundle is kept right. */
  readonly configuration: string;
  /** Where the mesh itself runs: nothing is injected there. */
  readonly namespace: Namespace;
  /** Of sidecars; holds Envoy and nft, too. */
  readonly image: string;
  /** Where sidecars reach the agents. */
  readonly agents: readonly HostPort[];
}

// What deploy/ and `isthmus install` write.
const defaults: WebhookConfig = {
  listen: { host: "0.0.0.0", port: 15_017 },
  names: ["isthmus-agent.isthmus-system.svc"],
  configuration: "isthmus-injector",
  namespace: parseNamespace("isthmus-system"),
  image: `isthmus-sidecar:${version}`,
  agents: [{ host: "isthmus-agent.isthmus-system.svc", port: 15_012 }],
};

/** `kubernetes.webhook` of agent.yaml. */
export const webhook: Parser<WebhookConfig> = object<WebhookConfig>({
  listen: optional(address, defaults.listen),
  names: optional(list(text(), 1), defaults.names),
  configuration: optional(text(), defaults.configuration),
  namespace: optional(text(parseNamespace), defaults.namespace),
  image: optional(text(), defaults.image),
  agents: optional(list(address, 1), defaults.agents),
});
