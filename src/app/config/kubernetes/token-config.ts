import { parseServiceId, type ServiceId } from "../../../mesh/ids.ts";
import { object, oneOf, optional, type Parser, path, text } from "../config-parser.ts";

/** Which service-account tokens buy an identity. */
export interface TokenRulesConfig {
  /** What a token has to be meant for. */
  readonly audience: string;
  /** `iss` of the tokens; absent: what the API server says of itself. */
  readonly issuer?: string;
  /** A JWKS; absolute. Absent: asked at the API server. */
  readonly keysFile?: string;
  /** `namespace/name` of the account that gateways run as: it gets `/isthmus/gateway`. */
  readonly gatewayAccount: ServiceId;
  /** What buys the next certificate: a token again, which ends with its pod, or the certificate before it. */
  readonly renewal: "token" | "certificate";
}

// Istio and Linkerd name themselves, too: a token for the API server itself would be worth more than an identity.
const defaultAudience = "isthmus";
// As deploy/ and `isthmus install` have it.
const defaultGatewayAccount: ServiceId = parseServiceId("isthmus-system/isthmus-gateway");

/** `kubernetes.identity` of agent.yaml. */
export const tokenRules: Parser<TokenRulesConfig> = object<TokenRulesConfig>({
  audience: optional(text(), defaultAudience),
  issuer: optional<string | undefined>(text(), undefined),
  keysFile: optional<string | undefined>(path, undefined),
  gatewayAccount: optional(text(parseServiceId), defaultGatewayAccount),
  renewal: optional<TokenRulesConfig["renewal"]>(oneOf(["token", "certificate"]), "token"),
});
