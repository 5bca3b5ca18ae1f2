import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A test authority with a server's and a client's certificate; paths of PEM files. */
export interface TlsFiles {
  readonly caFile: string;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const names = "subjectAltName=DNS:localhost,DNS:hub.test,IP:127.0.0.1";

/** For `localhost`, `hub.test` and 127.0.0.1. */
export async function writeTlsFiles(dir: string): Promise<TlsFiles> {
  await mkdir(dir, { recursive: true });
  const at = (file: string): string => join(dir, file);
  const openssl = (...words: readonly string[]): Promise<unknown> => run("openssl", words);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const ca = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"];
  // OpenSSL looks for signers by name first: two of one name would be taken for each other.
  const authority = `/CN=test authority ${randomBytes(8).toString("hex")}`;
  const days = ["-days", "2"];
  await writeFile(at("names"), `${names}\n`);
  const own = ["req", "-x509", ...key, ...days, "-subj", authority];
  await openssl(...own, "-keyout", at("ca.key"), "-out", at("ca.pem"));
  for (const name of ["server", "client"]) {
    const [keyFile, request, cert] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.pem`)];
    await openssl("req", ...key, "-keyout", keyFile, "-out", request, "-subj", `/CN=${name}`);
    const signed = ["x509", "-req", "-in", request, ...ca, ...days, "-extfile", at("names")];
    await openssl(...signed, "-out", cert);
  }
  return {
    caFile: at("ca.pem"),
    serverCertFile: at("server.pem"),
    serverKeyFile: at("server.key"),
    certFile: at("client.pem"),
    keyFile: at("client.key"),
  };
}
