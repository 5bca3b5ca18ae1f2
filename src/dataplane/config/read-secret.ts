import { X509Certificate } from "node:crypto";
import { isMessage } from "@bufbuild/protobuf";
import type { DataSource } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import type { TypedExtensionConfig } from "../../xds/gen/envoy/config/core/v3/extension_pb.ts";
import { SubjectAltNameMatcher_SanType } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import { SecretSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { SPIFFECertValidatorConfigSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts";
import { bytesOf, nameMatchOf } from "./common.ts";
import type { ValidationModel } from "./model.ts";
import { decodeSupported, unpackExtension, unsupported } from "./supported.ts";

/** Throws MESH_XDS_UNSUPPORTED for anything but a validation context: keys never travel over ADS. */
export function readSecret(bytes: Uint8Array): ValidationModel {
  const secret = decodeSupported(SecretSchema, bytes);
  if (secret.type.case !== "validationContext")
    return unsupported("type", "is not a validation context");
  const context = secret.type.value;
  const names = context.matchTypedSubjectAltNames.map((matcher, index) => {
    const path = `validationContext.matchTypedSubjectAltNames[${index}]`;
    if (matcher.sanType !== SubjectAltNameMatcher_SanType.URI)
      unsupported(`${path}.sanType`, "is not URI");
    return nameMatchOf(matcher.matcher, path);
  });
  const validator = context.customValidatorConfig;
  if (validator !== undefined) return { bundlePem: "", domains: domainsOf(validator), names };
  return { bundlePem: pemOf(context.trustedCa, "validationContext.trustedCa"), names };
}

const domainsPath = "validationContext.customValidatorConfig";

function domainsOf({ typedConfig }: TypedExtensionConfig): ReadonlyMap<string, string> {
  const config = unpackExtension(typedConfig, domainsPath);
  if (!isMessage(config, SPIFFECertValidatorConfigSchema)) {
    return unsupported(domainsPath, "is not the SPIFFE validator");
  }
  return new Map(
    config.trustDomains.map(({ name, trustBundle }) => [name, pemOf(trustBundle, domainsPath)]),
  );
}

function pemOf(source: DataSource | undefined, path: string): string {
  const pem = Buffer.from(bytesOf(source, path)).toString("utf8");
  requireCertificates(pem);
  return pem;
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** A thousand contexts hold the same bundle. */
let lastSound: string | undefined;

/** TLS would refuse a broken bundle only when the first connection comes. */
function requireCertificates(pem: string): void {
  if (pem === lastSound) return;
  const blocks = pem.match(pemBlock) ?? [];
  if (blocks.length === 0) unsupported("validationContext.trustedCa", "holds no PEM certificate");
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch {
      unsupported("validationContext.trustedCa", "holds a broken certificate");
    }
  }
  lastSound = pem;
}
