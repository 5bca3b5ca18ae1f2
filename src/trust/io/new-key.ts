import type { KeyObject } from "node:crypto";
import { generateKeyPairSync } from "node:crypto";

/** A fresh P-256 key. It never leaves the process that made it, but into that process's own files. */
export function newPrivateKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}
