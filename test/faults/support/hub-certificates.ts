import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What a server over TLS shows, and what its clients must trust for it. */
export interface HubCertificate {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate for 127.0.0.1 under an authority of its own. */
export async function makeHubCertificate(dir: string, name: string): Promise<HubCertificate> {
  const at = (file: string): string => join(dir, `${name}-${file}`);
  const openssl = (words: string): Promise<unknown> => run("openssl", words.split(" "));
  const curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  await writeFile(at("san"), "subjectAltName=IP:127.0.0.1\n");
  await openssl(
    `req -x509 ${curve} -keyout ${at("ca.key")} -out ${at("ca.pem")} -days 2 -subj /CN=${name}-ca`,
  );
  await openssl(`req ${curve} -keyout ${at("hub.key")} -out ${at("hub.csr")} -subj /CN=${name}`);
  await openssl(
    `x509 -req -in ${at("hub.csr")} -CA ${at("ca.pem")} -CAkey ${at("ca.key")} -CAcreateserial -days 2 -extfile ${at("san")} -out ${at("hub.pem")}`,
  );
  return { caFile: at("ca.pem"), certFile: at("hub.pem"), keyFile: at("hub.key") };
}
