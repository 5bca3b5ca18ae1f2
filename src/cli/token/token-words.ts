import type { JoinGrant } from "../../trust/join/join-grant.ts";

/** `member west`, `VM of shop/carts`. */
export function boundTo(grant: JoinGrant): string {
  if (grant.t === "member") return `member ${grant.claims.name}`;
  const { group, services } = grant;
  return `VM of ${group}${services.length === 0 ? "" : ` (${services.join(", ")})`}`;
}

/** `2026-11-21 22:40:00Z` */
export function instant(atMs: number): string {
  return new Date(atMs)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}
