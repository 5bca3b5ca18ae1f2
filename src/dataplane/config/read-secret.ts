import { X509Certificate } from "node:crypto";
import { SubjectAltNameMatcher_SanType } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import { SecretSchema } from "../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { bytesOf, nameMatchOf } from "./common.ts";
import type { ValidationModel } from "./model.ts";
import { decodeSupported, unsupported } from "./supported.ts";

/** Throws MESH_XDS_UNSUPPORTED for anything but a validation context: keys never travel over ADS. */
export function readSecret(bytes: Uint8Array): ValidationModel {
  const secret = decodeSupported(SecretSchema, bytes);
  if (secret.type.case !== "validationContext")
    return unsupported("type", "is not a validation context");
  const context = secret.type.value;
  const bundlePem = Buffer.from(bytesOf(context.trustedCa, "validationContext.trustedCa")).toString(
    "utf8",
  );
  requireCertificates(bundlePem);
  const names = context.matchTypedSubjectAltNames.map((matcher, index) => {
    const path = `validationContext.matchTypedSubjectAltNames[${index}]`;
    if (matcher.sanType !== SubjectAltNameMatcher_SanType.URI)
      unsupported(`${path}.sanType`, "is not URI");
    return nameMatchOf(matcher.matcher, path);
  });
  return { bundlePem, names };
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
