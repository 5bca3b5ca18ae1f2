import { parseSpiffeId, type TrustDomain } from "../../mesh/ids.ts";
import { parseBundle } from "../../trust/bundle.ts";
import { homeOf } from "../../trust/identity.ts";
import type { IdentityConfig, TokenIdentityConfig } from "./config.ts";
import {
  checked,
  duration,
  mapped,
  object,
  optional,
  type Parser,
  path,
  required,
  text,
} from "./config-parser.ts";

interface IdentityFields {
  readonly dir: string;
  readonly tokenFile: string | undefined;
  readonly trustDomain: TrustDomain | undefined;
  readonly bundleFile: string | undefined;
  readonly bundle: string | undefined;
  readonly checkEvery: number | undefined;
}

/** `identity` of sidecar.yaml and gateway.yaml. */
export const identity: Parser<IdentityConfig> = mapped(
  checked(
    object<IdentityFields>({
      dir: required(path),
      tokenFile: optional<string | undefined>(path, undefined),
      trustDomain: optional<TrustDomain | undefined>(text(trustDomainOf), undefined),
      bundleFile: optional<string | undefined>(path, undefined),
      bundle: optional<string | undefined>(
        text((pem) => parseBundle(pem).pem),
        undefined,
      ),
      checkEvery: optional<number | undefined>(duration({ min: 1000, max: 3_600_000 }), undefined),
    }),
    contradiction,
  ),
  (fields) => {
    const token = tokenIn(fields);
    const { dir, checkEvery } = fields;
    return {
      dir,
      ...(checkEvery === undefined ? {} : { checkEveryMs: checkEvery }),
      ...(token === undefined ? {} : { token }),
    };
  },
);

function contradiction(fields: IdentityFields): string | undefined {
  const { tokenFile, trustDomain, bundleFile, bundle } = fields;
  const roots = [bundleFile, bundle].filter((one) => one !== undefined).length;
  if (tokenFile === undefined) {
    return trustDomain === undefined && roots === 0
      ? undefined
      : "it names whom to ask, but nothing to show: set `tokenFile`";
  }
  if (trustDomain === undefined) return "`tokenFile` needs `trustDomain`: MEMBER.MESH of the agent";
  if (roots === 1) return undefined;
  return roots === 0
    ? "`tokenFile` needs `bundleFile` or `bundle`: whom to trust before the first certificate"
    : "it has both `bundleFile` and `bundle`: keep one";
}

function tokenIn(fields: IdentityFields): TokenIdentityConfig | undefined {
  const { tokenFile: file, trustDomain, bundleFile, bundle } = fields;
  if (file === undefined || trustDomain === undefined) return undefined;
  if (bundleFile !== undefined) {
    return { file, trustDomain, roots: { t: "file", file: bundleFile } };
  }
  return { file, trustDomain, roots: { t: "pem", pem: bundle ?? "" } };
}

function trustDomainOf(written: string): TrustDomain {
  return homeOf(parseSpiffeId(`spiffe://${written}`)).trustDomain;
}
