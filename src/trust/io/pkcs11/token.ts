import { createHash } from "node:crypto";
import type { Handle, PKCS11 } from "pkcs11js";
import { codeOf, MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { Secret } from "../../../mesh/secret.ts";
import { readKeyFile } from "../safe-files.ts";

/** A key pair inside a PKCS#11 token. Paths are absolute. */
export interface Pkcs11Place {
  /** The vendor's shared library. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  /** Label of the key pair. */
  readonly key: string;
  /** Holds the user's PIN alone; 0600. */
  readonly pinFile: string;
}

type Addon = typeof import("pkcs11js");

/** A session in which the user is logged in. */
export interface TokenSession {
  readonly addon: Addon;
  readonly api: PKCS11;
  readonly session: Handle;
}

// A library is loaded once in a process, and speaks for all who use it.
let queue: Promise<unknown> = Promise.resolve();

/**
 * Logs in, and out again when `use` is over: a root signs a few times a year, and a token may be another one by
 * then. Throws MESH_TRUST_SIGNER_FAILED, MESH_FILE_UNREADABLE and MESH_TRUST_KEY_FILE_UNSAFE.
 */
export async function inToken<Result>(
  place: Pkcs11Place,
  use: (token: TokenSession) => Result,
): Promise<Result> {
  const run = async (): Promise<Result> => await inSession(place, use);
  const own = queue.then(run, run);
  queue = own.catch(() => undefined);
  return await own;
}

async function inSession<Result>(
  place: Pkcs11Place,
  use: (token: TokenSession) => Result,
): Promise<Result> {
  const pin = await readKeyFile(place.pinFile);
  checkPin(place, pin);
  const addon = await loadAddon();
  const api = new addon.PKCS11();
  try {
    api.load(place.module);
    api.C_Initialize();
    const session = api.C_OpenSession(
      slotOf(api, place),
      addon.CKF_SERIAL_SESSION | addon.CKF_RW_SESSION,
    );
    logIn({ addon, api, session }, { place, pin });
    return use({ addon, api, session });
  } catch (thrown) {
    if (thrown instanceof MeshError) throw thrown;
    throw failed(place, wordsOf(thrown), thrown);
  } finally {
    // What the library holds of the session goes with it.
    quietly(() => api.C_Finalize());
    quietly(() => api.close());
  }
}

async function loadAddon(): Promise<Addon> {
  try {
    const loaded = (await import("pkcs11js")) as Addon & { readonly default?: Addon };
    return loaded.default ?? loaded;
  } catch (cause) {
    throw new MeshError(
      "MESH_TRUST_SIGNER_FAILED",
      "Cannot use PKCS#11: its addon is not built here; node scripts/pkcs11.mjs builds it (npm rebuild pkcs11js " +
        "beside an installed package)",
      { cause },
    );
  }
}

function slotOf(api: PKCS11, place: Pkcs11Place): Handle {
  const slots = api.C_GetSlotList(true);
  const found = slots.filter((slot) => api.C_GetTokenInfo(slot).label.trim() === place.token);
  const [slot] = found;
  if (slot !== undefined && found.length === 1) return slot;
  const truth = slot === undefined ? "there is no token" : "there are several tokens";
  return refuse(place, `${truth} with that label in its ${slots.length} slots`);
}

// A token locks itself after a few wrong PINs, and an agent would try again by itself.
const wrongPins = new Set<string>();

function checkPin(place: Pkcs11Place, pin: Secret): void {
  if (!wrongPins.has(pinKey(place, pin))) return;
  refuse(place, `the PIN in ${place.pinFile} was refused before, and is not tried again`);
}

function logIn(
  { addon, api, session }: TokenSession,
  { place, pin }: { readonly place: Pkcs11Place; readonly pin: Secret },
): void {
  try {
    api.C_Login(session, addon.CKU_USER, pin.reveal().trim());
  } catch (cause) {
    if (/CKR_PIN/.test(reasonOf(cause))) wrongPins.add(pinKey(place, pin));
    throw failed(place, `login is refused: ${wordsOf(cause)}`, cause);
  }
}

function pinKey({ module, token }: Pkcs11Place, pin: Secret): string {
  return createHash("sha256").update([module, token, pin.reveal()].join("\n")).digest("hex");
}

/** `CKR_TOKEN_NOT_PRESENT`; never what was handed over. */
function wordsOf(thrown: unknown): string {
  return codeOf(thrown) ?? reasonOf(thrown).split("\n")[0] ?? "it does not say why";
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // It was not open.
  }
}

export function refuse(place: Pkcs11Place, truth: string): never {
  throw failed(place, truth, undefined);
}

function failed({ token, key }: Pkcs11Place, truth: string, cause: unknown): MeshError {
  return new MeshError(
    "MESH_TRUST_SIGNER_FAILED",
    `Cannot use key "${key}" of token "${token}": ${truth}`,
    { cause },
  );
}
