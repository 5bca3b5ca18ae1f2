import type { GatewayHost } from "../../discovery/mesh-service.ts";

/** One address that a member's record and DNS state now. */
export interface StatedGateway {
  /** As the record names it: IP literal or DNS name. */
  readonly name: string;
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  readonly zone?: string;
  readonly isDraining?: true;
}

/** The same with what is known of it. */
export interface GatewayEntry extends StatedGateway {
  /** False: its name stands for others now, of which none has answered yet. */
  readonly isStated: boolean;
  /** It came while siblings served, and takes traffic when it has answered a probe. */
  readonly isOnTrial: boolean;
  readonly probe: "unknown" | "alive" | "silent";
}

/** All gateway addresses of one member. */
export type GatewayBook = readonly GatewayEntry[];

// Names that stand for many addresses, and many names: each address costs a handshake a second.
export const maxAddressesPerMember = 16;

/**
 * Takes over what is stated now. What a record no longer names goes at once, because it is signed; what
 * only DNS no longer names stays while it alone answers, because DNS is not: its identity is proven, and
 * a wrong answer must not end a member.
 */
export function withStated(
  book: GatewayBook,
  now: { readonly stated: readonly StatedGateway[]; readonly names: ReadonlySet<string> },
): GatewayBook {
  const isServed = book.some(isServing);
  const entries = new Map<string, GatewayEntry>();
  for (const one of now.stated) {
    const key = gatewayKey(one);
    if (entries.has(key) || entries.size >= maxAddressesPerMember) continue;
    const known = book.find((entry) => gatewayKey(entry) === key);
    const { isOnTrial = isServed, probe = "unknown" } = known ?? {};
    entries.set(key, { ...one, isStated: true, isOnTrial, probe });
  }
  for (const entry of book) {
    const key = gatewayKey(entry);
    if (!entries.has(key) && now.names.has(nameKey(entry))) {
      entries.set(key, { ...entry, isStated: false });
    }
  }
  return withoutLeft([...entries.values()]);
}

export function withProbe(
  book: GatewayBook,
  probed: { readonly address: string; readonly port: number; readonly isAlive: boolean },
): GatewayBook {
  const key = gatewayKey(probed);
  const probe = probed.isAlive ? "alive" : "silent";
  return withoutLeft(
    book.map((entry) => {
      if (gatewayKey(entry) !== key || (entry.probe === probe && !entry.isOnTrial)) return entry;
      return { ...entry, probe, isOnTrial: entry.isOnTrial && !probed.isAlive };
    }),
  );
}

/** What proxies are told of. A trial counts only beside a sibling that serves. */
export function hostsIn(book: GatewayBook): readonly GatewayHost[] {
  const isServed = book.some(isServing);
  return book
    .filter((entry) => !(entry.isOnTrial && isServed))
    .map(({ address, port, probe, zone, isDraining }) => ({
      address,
      port,
      isAlive: probe !== "silent",
      ...(zone === undefined ? {} : { zone }),
      ...(isDraining === undefined ? {} : { isDraining }),
    }));
}

export type GatewayState = "live" | "silent" | "trial" | "draining" | "leaving" | "unknown";

/** One word for operators. */
export function stateOfEntry(entry: GatewayEntry): GatewayState {
  if (entry.probe === "silent") return "silent";
  if (!entry.isStated) return "leaving";
  if (entry.isDraining === true) return "draining";
  if (entry.probe === "alive") return "live";
  return entry.isOnTrial ? "trial" : "unknown";
}

function gatewayKey(at: { readonly address: string; readonly port: number }): string {
  return `${at.address} ${at.port}`;
}

/** Of a record's entry: one name may stand there with two ports. */
export function nameKey(at: { readonly name: string; readonly port: number }): string {
  return `${at.name} ${at.port}`;
}

function isServing(entry: GatewayEntry): boolean {
  return entry.probe === "alive" && entry.isDraining !== true;
}

function withoutLeft(entries: GatewayBook): GatewayBook {
  const hasHeir = entries.some((entry) => entry.isStated && isServing(entry));
  return entries.filter((entry) => entry.isStated || (!hasHeir && entry.probe === "alive"));
}
