import type { Cell, Tone } from "./table.ts";

/** `1.2 s`, `3 min`, `2 h`, `5 d`: one unit, for tables. */
export function spanOf(ms: number | undefined): string {
  if (ms === undefined) return "-";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

export function rttOf(ms: number | undefined): string {
  return ms === undefined ? "-" : ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** `512 B`, `34 kB`, `1.2 MB`: decimal units. */
export function bytesOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  const mega = bytes / 1_000_000;
  return mega < 1000 ? `${mega.toFixed(mega < 10 ? 1 : 0)} MB` : `${(mega / 1000).toFixed(1)} GB`;
}

/** `3 services`, `1 service` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `eks-us-east-1/a`; the member alone where there are no zones. */
export function placeOf(member: string, zone: string): string {
  return zone === "" ? member : `${member}/${zone}`;
}

/** `7/8`, red when nobody is healthy, yellow when some are not. */
export function healthyOf(count: { readonly healthy: number; readonly total: number }): Cell {
  const tone: Tone =
    count.total === 0 || count.healthy === count.total
      ? "plain"
      : count.healthy === 0
        ? "bad"
        : "warn";
  return { text: `${count.healthy}/${count.total}`, tone };
}

const tones: Readonly<Record<string, Tone>> = {
  self: "good",
  live: "good",
  healthy: "good",
  stale: "warn",
  draining: "warn",
  leaving: "warn",
  trial: "warn",
  silent: "bad",
  unresolved: "bad",
  absent: "warn",
  warning: "warn",
  unreachable: "bad",
  down: "bad",
  unhealthy: "bad",
  denied: "bad",
  error: "bad",
};

export function stateCell(state: string): Cell {
  return { text: state, tone: tones[state] ?? "plain" };
}

/** `eks-us-east-1 3/3 kept out by policy "shop"` */
export function keptOutText(kept: {
  readonly member: string;
  readonly healthy: number;
  readonly total: number;
  readonly policies: readonly string[];
}): string {
  const names = kept.policies.map((name) => `"${name}"`).join(", ");
  return `${kept.member} ${kept.healthy}/${kept.total} kept out by policy ${names}`;
}
