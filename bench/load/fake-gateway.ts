/** A gateway of a remote member as far as probes see it: finishes the handshake as that member, and no more. */
import { once } from "node:events";
import { createServer } from "node:tls";
import { infrastructureSpiffeId } from "../../src/mesh/ids.ts";
import type { MemberFiles } from "../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { issueSvid } from "../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../src/trust/keys.ts";
import { toPem } from "../../src/trust/pem.ts";

export async function startFakeGateway(
  of: MemberFiles,
  at: { readonly host: string; readonly port: number },
): Promise<AsyncDisposable> {
  const { issuer, trustDomain, bundle } = of;
  const key = newPrivateKey();
  const id = infrastructureSpiffeId(trustDomain, "gateway");
  const leaf = await issueSvid({ issuer, id, spki: spkiOf(key), nowMs: Date.now() });
  const server = createServer({
    cert: toPem("CERTIFICATE", leaf.der) + toPem("CERTIFICATE", issuer.certificate.der),
    key: privateKeyPemOf(key).reveal(),
    ca: bundle.pem,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    socket.resume();
  });
  server.listen(at.port, at.host);
  await once(server, "listening");
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
}
