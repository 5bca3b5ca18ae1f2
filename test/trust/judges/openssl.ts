import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toPem } from "../../../src/trust/pem.ts";
import type { Exhibit, Judge, Verdict } from "./exhibits.ts";

const command = "openssl";

export const hasOpenssl: boolean = spawnSync(command, ["version"]).status === 0;

/** `openssl verify -x509_strict`, for a server's and for a client's certificate. */
export const askOpenssl: Judge = async (exhibits) => {
  const folder = await mkdtemp(join(tmpdir(), "isthmus-openssl-"));
  try {
    await writeFile(join(folder, "root.pem"), exhibits.rootPem);
    const verdicts: (Verdict | "mixed")[] = [];
    for (const exhibit of exhibits.list) {
      await writeChain(folder, exhibit);
      const server = verify(folder, "sslserver");
      verdicts.push(server === verify(folder, "sslclient") ? server : "mixed");
    }
    return verdicts;
  } finally {
    await rm(folder, { recursive: true });
  }
};

async function writeChain(folder: string, { chain }: Exhibit): Promise<void> {
  const pems = chain.map((one) => toPem("CERTIFICATE", one.der));
  await writeFile(join(folder, "leaf.pem"), pems[0] ?? "");
  await writeFile(join(folder, "issuers.pem"), pems.slice(1).join(""));
}

function verify(folder: string, purpose: string): Verdict {
  const flags = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", "root.pem"];
  const files = ["-untrusted", "issuers.pem", "leaf.pem"];
  return spawnSync(command, [...flags, ...files], { cwd: folder }).status === 0 ? "ok" : "refused";
}
