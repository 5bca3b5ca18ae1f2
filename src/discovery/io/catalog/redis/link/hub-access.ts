import { hash } from "node:crypto";
import { open } from "node:fs/promises";
import { reasonOf } from "../../../../../mesh/errors.ts";
import { Secret } from "../../../../../mesh/secret.ts";
import type { Timers } from "../../../../timers.ts";
import type { RedisHub } from "../redis-hub.ts";
import { HubFailure } from "./hub-failure.ts";

/** What a hub wants to see and what it has to prove, as the files say at the moment. */
export interface HubAccess {
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: Secret | undefined;
  readonly serverName: string | undefined;
}

/** Follows the files: passwords and certificates are replaced without a restart. */
export interface HubAccessSource {
  /** Throws HubFailure when a file cannot be read and never could. */
  readonly current: () => Promise<HubAccess>;
  readonly close: () => void;
}

// Files are replaced by renaming, by links that switch (kubelet) and by writing over them; looking is
// the one way that sees all three, and they are small.
const lookMs = 1000;
const maxFileBytes = 1_048_576;

/** `onChange` is called when what the files say has changed and can be read. */
export function followHubAccess(
  hub: RedisHub,
  options: { readonly timers: Timers; readonly onChange: () => void },
): HubAccessSource {
  let held: HubAccess | undefined;
  let print = "";
  let isClosed = false;
  let cancel = (): void => {};

  const look = async (): Promise<HubAccess> => {
    const read = await readAccess(hub);
    const next = printOf(read);
    const isChanged = held !== undefined && next !== print;
    held = read;
    print = next;
    if (isChanged && !isClosed) options.onChange();
    return read;
  };
  const watch = (): void => {
    cancel = options.timers.after(lookMs, () => {
      // A file that is being replaced may be missing for a moment.
      void look()
        .catch(() => undefined)
        .then(() => {
          if (!isClosed) watch();
        });
    });
  };
  if (filesOf(hub).length > 0) watch();
  return {
    current: async () => {
      try {
        return await look();
      } catch (thrown) {
        if (held !== undefined) return held;
        throw thrown;
      }
    },
    close: () => {
      isClosed = true;
      cancel();
    },
  };
}

export async function readAccess(hub: RedisHub): Promise<HubAccess> {
  const [password, ca, cert, key] = await Promise.all([
    readIfNamed("passwordFile", hub.passwordFile),
    readIfNamed("caFile", hub.caFile),
    readIfNamed("certFile", hub.certFile),
    readIfNamed("keyFile", hub.keyFile),
  ]);
  return {
    username: hub.username,
    // Editors and `echo` end a file with a line break; no password does.
    password: password === undefined ? undefined : new Secret(password.replace(/\r?\n$/, "")),
    ca,
    cert,
    key: key === undefined ? undefined : new Secret(key),
    serverName: hub.serverName,
  };
}

function filesOf(hub: RedisHub): readonly string[] {
  const { passwordFile, caFile, certFile, keyFile } = hub;
  return [passwordFile, caFile, certFile, keyFile].filter((file) => file !== undefined);
}

async function readIfNamed(what: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    await using handle = await open(file, "r");
    if ((await handle.stat()).size > maxFileBytes) throw new RangeError("it is too large");
    const text = await handle.readFile("utf8");
    if (text === "") throw new RangeError("it is empty");
    return text;
  } catch (thrown) {
    throw new HubFailure("auth", `its ${what} cannot be read (${reasonOf(thrown)})`);
  }
}

function printOf(access: HubAccess): string {
  const { username, password, ca, cert, key } = access;
  const parts = [username, password?.reveal(), ca, cert, key?.reveal()];
  return hash("sha256", JSON.stringify(parts), "hex");
}
