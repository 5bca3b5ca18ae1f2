/** A hundred sidecars of one member, in few processes, and when all of them were told something. */
import type { ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ToldProcess } from "../../test/support/told-process.ts";
import type { FromSidecars, SidecarsOrder, ToSidecars } from "./sidecar-fleet.ts";

// One process would take longer to read a hundred responses than the agent to send them.
const fleetCount = 2;
const fleetFile = fileURLToPath(new URL("sidecar-fleet.ts", import.meta.url));

/** An agent takes 64 connections of one certificate. */
export function accountsFor(sidecars: number): readonly string[] {
  return Array.from({ length: Math.ceil(sidecars / 50) }, (_, index) => `frontend-${index}`);
}

export interface Fleets {
  /** That of the service's endpoints, as the agent names it. */
  readonly nameOf: (service: string) => string;
  /** Resolves when every sidecar waits for news of it; the inner promise when every one has read some. */
  readonly watch: (name: string) => Promise<{ readonly seen: Promise<Seen> }>;
}

/** By the monotonic clock of this machine. */
export interface Seen {
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

/** Resolves when each holds all that it is to hold. The stack ends them. */
export async function startFleets(of: {
  readonly agent: SidecarsOrder["agent"];
  readonly sidecars: number;
  /** Holds a folder for each account. */
  readonly dir: string;
  /** Endpoint assignments that make a sidecar complete. */
  readonly expected: number;
  readonly run: (path: string) => ChildProcess;
  readonly opened: AsyncDisposableStack;
}): Promise<Fleets> {
  const { agent, expected } = of;
  const identities = await Promise.all(
    accountsFor(of.sidecars).map((account) => identityIn(of.dir, account)),
  );
  const fleets: ToldProcess<ToSidecars, FromSidecars>[] = [];
  let names: readonly string[] = [];
  for (let index = 0; index < fleetCount; index += 1) {
    const fleet = of.opened.use(new ToldProcess<ToSidecars, FromSidecars>(of.run(fleetFile)));
    const ready = fleet.hear("ready");
    // The first ones have one more, where it does not come out even.
    const count = Math.ceil((of.sidecars - index) / fleetCount);
    fleet.tell({ t: "start", order: { agent, count, identities, zone: "a", expected } });
    ({ names } = await ready);
    fleets.push(fleet);
  }
  return {
    nameOf: (service) => {
      const found = names.find((name) => name.includes(`||${service}.shop.`));
      if (found === undefined) throw new Error(`no sidecar was told of ${service}`);
      return found;
    },
    watch: async (name) => {
      const watching = fleets.map((fleet) => fleet.hear("watching"));
      for (const fleet of fleets) fleet.tell({ t: "watch", name });
      await Promise.all(watching);
      return { seen: seenBy(fleets) };
    },
  };
}

async function seenBy(fleets: readonly ToldProcess<ToSidecars, FromSidecars>[]): Promise<Seen> {
  const all = await Promise.all(fleets.map((fleet) => fleet.hear("seen")));
  const times = (part: "firstNs" | "lastNs"): readonly bigint[] =>
    all.map((seen) => BigInt(seen[part])).toSorted((a, b) => (a < b ? -1 : 1));
  return { firstNs: times("firstNs")[0] ?? 0n, lastNs: times("lastNs").at(-1) ?? 0n };
}

async function identityIn(
  dir: string,
  account: string,
): Promise<SidecarsOrder["identities"][number]> {
  const [cert = "", key = "", ca = ""] = await Promise.all(
    ["svid.pem", "svid.key", "bundle.pem"].map((file) =>
      readFile(join(dir, account, file), "utf8"),
    ),
  );
  return { account, cert, key, ca };
}
