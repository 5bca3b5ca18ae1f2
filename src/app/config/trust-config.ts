import type { HostPort } from "../../mesh/address.ts";
import type { SignerConfig, TrustConfig } from "./config.ts";
import {
  address,
  checked,
  list,
  mapped,
  object,
  optional,
  type Parser,
  path,
  required,
  text,
} from "./config-parser.ts";

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
}

/** The `trust` block of agent.yaml. */
export const trustConfig: Parser<TrustConfig> = mapped(
  object<TrustFields>({
    dir: required(path),
    signer: optional<SignerConfig | undefined>(signer, undefined),
    renewAt: optional(list(address), []),
  }),
  ({ dir, signer: used, renewAt }) => ({
    dir,
    ...(used === undefined ? {} : { signer: used }),
    ...(renewAt.length === 0 ? {} : { renewAt }),
  }),
);
