import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pkcs11Place } from "../../../../src/trust/io/pkcs11/token.ts";

const modules = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];
const module = modules.find((path) => existsSync(path));
const addon = "node_modules/pkcs11js/build/Release/pkcs11.node";

/** Why there is no token here; undefined: there is. With CI set there has to be. */
export function whyNoToken(): string | undefined {
  if (process.env["CI"] !== undefined) return undefined;
  if (module === undefined) return "there is no SoftHSM: apt-get install softhsm2";
  return existsSync(addon) ? undefined : "its addon is not built: node scripts/pkcs11.mjs";
}

export interface SoftToken extends AsyncDisposable {
  readonly dir: string;
  readonly place: Pkcs11Place;
  readonly pin: string;
}

/** An empty token of Debian's SoftHSM in a folder of its own, without a key. */
export async function softToken(): Promise<SoftToken> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-token-"));
  await mkdir(join(dir, "tokens"));
  const conf = join(dir, "softhsm2.conf");
  await writeFile(conf, `directories.tokendir = ${join(dir, "tokens")}\nlog.level = ERROR\n`);
  // Read by the library when it is initialised.
  process.env["SOFTHSM2_CONF"] = conf;
  const pin = "73091846";
  const made = spawnSync(
    "softhsm2-util",
    ["--init-token", "--free", "--label", "isthmus", "--pin", pin, "--so-pin", "00000000"],
    { encoding: "utf8", env: { ...process.env, SOFTHSM2_CONF: conf } },
  );
  if (made.status !== 0) throw new Error(`softhsm2-util: ${made.stderr}${made.stdout}`);
  const pinFile = join(dir, "pin");
  await writeFile(pinFile, `${pin}\n`, { mode: 0o600 });
  return {
    dir,
    pin,
    place: { module: module ?? "", token: "isthmus", key: "root", pinFile },
    [Symbol.asyncDispose]: async () => await rm(dir, { recursive: true, force: true }),
  };
}
