import type { ServiceId } from "../../mesh/ids.ts";
import { parseServiceId } from "../../mesh/ids.ts";
import {
  checked,
  list,
  mapped,
  object,
  oneOf,
  optional,
  type Parser,
  path,
  required,
  text,
} from "./config-parser.ts";

/** Whose service-account tokens buy an identity, judged by the issuer's keys alone. */
export interface TokenIssuerConfig {
  /** `iss` of the tokens. */
  readonly issuer: string;
  /** What a token has to be meant for. */
  readonly audience: string;
  /** A JWKS. */
  readonly keys: /** Absolute. */
    | { readonly t: "file"; readonly file: string }
    /** `caFile` is absolute; absent: the authorities that Node trusts. */
    | { readonly t: "url"; readonly url: string; readonly caFile?: string };
  /** `namespace/name` of the account that gateways run as; absent: none of this issuer's does. */
  readonly gatewayAccount?: ServiceId;
  /** What buys the next certificate: a token again, which ends with its pod, or the certificate before it. */
  readonly renewal: "token" | "certificate";
}

// As `kubernetes.identity` has it.
const defaultAudience = "isthmus";
// Clusters and VM clouds of one member.
const maxIssuers = 16;

interface Fields {
  readonly issuer: string;
  readonly audience: string;
  readonly keysFile: string | undefined;
  readonly keysUrl: string | undefined;
  readonly caFile: string | undefined;
  readonly gatewayAccount: ServiceId | undefined;
  readonly renewal: TokenIssuerConfig["renewal"];
}

const tokenIssuer: Parser<TokenIssuerConfig> = mapped(
  checked(
    object<Fields>({
      issuer: required(text()),
      audience: optional(text(), defaultAudience),
      keysFile: optional<string | undefined>(path, undefined),
      keysUrl: optional<string | undefined>(text(httpsUrl), undefined),
      caFile: optional<string | undefined>(path, undefined),
      gatewayAccount: optional<ServiceId | undefined>(text(parseServiceId), undefined),
      renewal: optional<Fields["renewal"]>(oneOf(["token", "certificate"]), "token"),
    }),
    ({ keysFile, keysUrl, caFile }) => {
      if ((keysFile === undefined) === (keysUrl === undefined)) {
        return "it names no keys or two: set `keysFile` or `keysUrl`";
      }
      return caFile !== undefined && keysUrl === undefined
        ? "it has `caFile`, but no `keysUrl` whose certificate it would judge"
        : undefined;
    },
  ),
  ({ issuer, audience, gatewayAccount, renewal, ...where }) => ({
    issuer,
    audience,
    keys: keysIn(where),
    ...(gatewayAccount === undefined ? {} : { gatewayAccount }),
    renewal,
  }),
);

/** `trust.tokenIssuers` of agent.yaml. */
export const tokenIssuers: Parser<readonly TokenIssuerConfig[]> = checked(
  list(tokenIssuer),
  (all) => {
    if (all.length > maxIssuers) return `it has more than ${maxIssuers}`;
    const names = new Set(all.map(({ issuer }) => issuer));
    return names.size === all.length ? undefined : "it names one issuer twice";
  },
);

function keysIn({
  keysFile = "",
  keysUrl,
  caFile,
}: Pick<Fields, "keysFile" | "keysUrl" | "caFile">): TokenIssuerConfig["keys"] {
  if (keysUrl === undefined) return { t: "file", file: keysFile };
  return { t: "url", url: keysUrl, ...(caFile === undefined ? {} : { caFile }) };
}

/** Whoever could change keys on their way could make any token. */
function httpsUrl(written: string): string {
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url?.protocol === "https:" && url.username === "" && url.password === "") return url.href;
  throw new RangeError(`"${written}" is not an https URL without a password`);
}
