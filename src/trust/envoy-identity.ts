import { identityName } from "../mesh/names.ts";

/** The folder that Envoy watches for its own SVID, relative to its working directory. */
export const identityFolder = "identity";
/** The link inside it that is switched at each renewal. */
export const currentLink = "current";

/**
 * `identity/sds.json`, a file that never changes: it names files behind a link. Certificate and key
 * change in one step when the link does; replaced one by one, Envoy would read a pair that does not
 * fit. The watch is on the folder that holds the link, because a rename is seen only there.
 */
export function envoyIdentityJson(): string {
  return secretJson({
    name: identityName,
    tls_certificate: {
      certificate_chain: behindLink("svid.pem"),
      private_key: behindLink("svid.key"),
      watched_directory: { path: identityFolder },
    },
  });
}

/** SDS name of the roots by which Envoy judges its agent; all others it is told by the agent. */
export const ownBundleName = "bundle";

/** `identity/bundle.json`, as `envoyIdentityJson`. */
export function envoyBundleJson(): string {
  return secretJson({
    name: ownBundleName,
    validation_context: {
      trusted_ca: behindLink("bundle.pem"),
      watched_directory: { path: identityFolder },
    },
  });
}

function behindLink(name: string): { filename: string } {
  return { filename: `${identityFolder}/${currentLink}/${name}` };
}

function secretJson(secret: object): string {
  const type = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
  return `${JSON.stringify({ resources: [{ "@type": type, ...secret }] }, null, 2)}\n`;
}
