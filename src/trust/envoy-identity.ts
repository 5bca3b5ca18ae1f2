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
  const behind = (name: string): { filename: string } => ({
    filename: `${identityFolder}/${currentLink}/${name}`,
  });
  const secret = {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    name: identityName,
    tls_certificate: {
      certificate_chain: behind("svid.pem"),
      private_key: behind("svid.key"),
      watched_directory: { path: identityFolder },
    },
  };
  return `${JSON.stringify({ resources: [secret] }, null, 2)}\n`;
}
