// A real Envoy takes its SVID from the folder that saveIdentity() maintains.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { connect } from "node:tls";
import type { Identity } from "../../../src/mesh/ports.ts";
import { identityOf } from "../../../src/trust/identity.ts";
import { saveIdentity } from "../../../src/trust/io/identity-store.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { issueSvid } from "../../../src/trust/issue.ts";
import { spkiOf } from "../../../src/trust/keys.ts";
import { envoyBinary, startEnvoy, until } from "../judges/envoy.ts";
import { skipUnlessCi } from "../judges/skip.ts";
import { cartId, madeMesh } from "../made.ts";
import { tempFolder } from "./folder.ts";

const made = await madeMesh(Date.now());

async function freshIdentity(): Promise<Identity> {
  const key = newPrivateKey();
  const svid = { issuer: made.east, id: cartId, spki: spkiOf(key), nowMs: Date.now() };
  const leaf = await issueSvid(svid);
  return identityOf(key, {
    chainDer: [leaf.der, made.east.certificate.der],
    bundleDer: [made.root.certificate.der],
  });
}

const tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const echo = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo";
const anyPort = { socketAddress: { address: "127.0.0.1", portValue: 0 } };
const config = {
  node: { id: "test", cluster: "test" },
  admin: { address: anyPort },
  staticResources: {
    listeners: [
      {
        name: "server",
        address: anyPort,
        filterChains: [
          {
            filters: [{ name: "echo", typedConfig: { "@type": echo } }],
            transportSocket: {
              name: "envoy.transport_sockets.tls",
              typedConfig: {
                "@type": tls,
                commonTlsContext: {
                  tlsCertificateSdsSecretConfigs: [
                    {
                      name: "identity",
                      sdsConfig: {
                        resourceApiVersion: "V3",
                        pathConfigSource: {
                          path: "identity/sds.json",
                          watchedDirectory: { path: "identity" },
                        },
                      },
                    },
                  ],
                },
              },
            },
          },
        ],
      },
    ],
  },
};

test("Envoy shows each SVID that saveIdentity() puts into its folder", async (t) => {
  if (envoyBinary === undefined) return skipUnlessCi(t, "ISTHMUS_ENVOY=$(node scripts/envoy.mjs)");
  await using folder = await tempFolder();
  const identities = [await freshIdentity(), await freshIdentity(), await freshIdentity()];
  await saveIdentity(folder.path, identities[0] ?? assert.fail());
  await using envoy = await startEnvoy(config, folder.path);
  const port = (await envoy.ports())("server");
  for (const identity of identities) {
    await saveIdentity(folder.path, identity);
    const wanted = new X509Certificate(identity.certChainPem).fingerprint256;
    await until(async () => ((await shownAt(port)) === wanted ? true : undefined));
  }
});

async function shownAt(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
