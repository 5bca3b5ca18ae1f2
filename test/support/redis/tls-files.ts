import { generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import forge from "node-forge";

/** A test authority with a server's and a client's certificate; paths of PEM files. */
export interface TlsFiles {
  readonly caFile: string;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export async function writeTlsFiles(dir: string): Promise<TlsFiles> {
  await mkdir(dir, { recursive: true });
  const ca = newKey();
  const named = "a test authority";
  const files = {
    "ca.pem": certificate({ key: ca, signer: ca, name: named, issuer: named, isCa: true }),
    ...leaf("server", { signer: ca, issuer: named }),
    ...leaf("client", { signer: ca, issuer: named }),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  return {
    caFile: join(dir, "ca.pem"),
    serverCertFile: join(dir, "server.pem"),
    serverKeyFile: join(dir, "server.key"),
    certFile: join(dir, "client.pem"),
    keyFile: join(dir, "client.key"),
  };
}

interface KeyPems {
  readonly privatePem: string;
  readonly publicPem: string;
}

// The library below can sign with RSA only.
function newKey(): KeyPems {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    privatePem: pair.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    publicPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

function leaf(
  name: string,
  by: { readonly signer: KeyPems; readonly issuer: string },
): Readonly<Record<string, string>> {
  const key = newKey();
  return {
    [`${name}.pem`]: certificate({ key, name, isCa: false, ...by }),
    [`${name}.key`]: key.privatePem,
  };
}

function certificate(options: {
  readonly key: KeyPems;
  readonly signer: KeyPems;
  readonly name: string;
  readonly issuer: string;
  readonly isCa: boolean;
}): string {
  const made = forge.pki.createCertificate();
  made.publicKey = forge.pki.publicKeyFromPem(options.key.publicPem);
  made.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(8))}`;
  made.validity.notBefore = new Date(Date.now() - 86_400_000);
  made.validity.notAfter = new Date(Date.now() + 86_400_000);
  made.setSubject([{ name: "commonName", value: options.name }]);
  made.setIssuer([{ name: "commonName", value: options.issuer }]);
  const names = [
    { type: 2, value: "localhost" },
    { type: 2, value: "hub.test" },
    { type: 7, ip: "127.0.0.1" },
  ];
  made.setExtensions(
    options.isCa
      ? [{ name: "basicConstraints", cA: true, critical: true }]
      : [{ name: "subjectAltName", altNames: names }],
  );
  made.sign(forge.pki.privateKeyFromPem(options.signer.privatePem), forge.md.sha256.create());
  return forge.pki.certificateToPem(made);
}
