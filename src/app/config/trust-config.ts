import type { HostPort } from "../../mesh/address.ts";
import type { BundleEndpointConfig, SignerConfig, TrustConfig } from "./config.ts";
import {
  address,
  checked,
  duration,
  list,
  mapped,
  object,
  optional,
  type Parser,
  path,
  required,
  text,
} from "./config-parser.ts";
import { type TokenIssuerConfig, tokenIssuers } from "./token-issuers-config.ts";

interface SignerFields {
  readonly file: string | undefined;
  readonly pkcs11: Omit<SignerConfig & { readonly t: "pkcs11" }, "t"> | undefined;
}

const signer: Parser<SignerConfig> = mapped(
  checked(
    object<SignerFields>({
      file: optional<string | undefined>(path, undefined),
      pkcs11: optional<SignerFields["pkcs11"]>(
        object({
          module: required(path),
          token: required(text()),
          key: required(text()),
          pinFile: required(path),
        }),
        undefined,
      ),
    }),
    ({ file, pkcs11 }) =>
      (file === undefined) === (pkcs11 === undefined)
        ? "it names no signer or two: set `file` or `pkcs11`"
        : undefined,
  ),
  ({ file, pkcs11 }) =>
    pkcs11 === undefined ? { t: "file", file: file ?? "" } : { t: "pkcs11", ...pkcs11 },
);

interface TrustFields {
  readonly dir: string;
  readonly signer: SignerConfig | undefined;
  readonly renewAt: readonly HostPort[];
  readonly tokenIssuers: readonly TokenIssuerConfig[];
  readonly bundleEndpoint: BundleEndpointConfig | undefined;
}

type EndpointFields = Omit<BundleEndpointConfig, "web" | "refreshHintMs"> & {
  readonly web: BundleEndpointConfig["web"] | undefined;
  readonly refreshHint: number;
};

// SPIFFE's own word where a bundle says nothing.
const defaultRefreshHintMs = 300_000;

const bundleEndpoint: Parser<BundleEndpointConfig> = mapped(
  object<EndpointFields>({
    listen: required(address),
    web: optional<EndpointFields["web"]>(
      object({ certFile: required(path), keyFile: required(path) }),
      undefined,
    ),
    refreshHint: optional(duration({ min: 1000, max: 86_400_000 }), defaultRefreshHintMs),
  }),
  ({ listen, web, refreshHint }) => ({
    listen,
    refreshHintMs: refreshHint,
    ...(web === undefined ? {} : { web }),
  }),
);

/** The `trust` block of agent.yaml. */
export const trustConfig: Parser<TrustConfig> = mapped(
  object<TrustFields>({
    dir: required(path),
    signer: optional<SignerConfig | undefined>(signer, undefined),
    renewAt: optional(list(address), []),
    tokenIssuers: optional(tokenIssuers, []),
    bundleEndpoint: optional<TrustFields["bundleEndpoint"]>(bundleEndpoint, undefined),
  }),
  ({ dir, signer: used, renewAt, tokenIssuers: issuers, bundleEndpoint: endpoint }) => ({
    dir,
    ...(used === undefined ? {} : { signer: used }),
    ...(renewAt.length === 0 ? {} : { renewAt }),
    ...(issuers.length === 0 ? {} : { tokenIssuers: issuers }),
    ...(endpoint === undefined ? {} : { bundleEndpoint: endpoint }),
  }),
);
