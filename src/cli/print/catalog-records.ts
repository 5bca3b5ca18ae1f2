import type { CatalogRecord } from "../../discovery/shards/records.ts";
import { parseRecord } from "../../discovery/shards/records.ts";
import { visible } from "../../mesh/visible.ts";
import { bytesOf, counted } from "./phrases.ts";

/** `  service/shop/cart  212 B  80/TCP, zones a 2/2`: key, size, and what it says in short. */
export function recordLine(key: string, bytes: Uint8Array): string {
  return `  ${visible(key, 160)}  ${bytesOf(bytes.length)}  ${visible(summaryOf(key, bytes))}\n`;
}

/** For `--json`: what it says, or the text that is none of ours. */
export function recordJson(key: string, bytes: Uint8Array): object {
  const parsed = parseRecord(key, bytes);
  if (parsed.t === "ok") return { key, bytes: bytes.length, record: parsed.record };
  const text = Buffer.from(bytes.subarray(0, maxForeignBytes)).toString("utf8");
  return { key, bytes: bytes.length, unreadable: reasonIn(parsed), text };
}

const maxForeignBytes = 4096;

function summaryOf(key: string, bytes: Uint8Array): string {
  const parsed = parseRecord(key, bytes);
  return parsed.t === "ok" ? shortOf(parsed.record) : reasonIn(parsed);
}

function reasonIn(parsed: Exclude<ReturnType<typeof parseRecord>, { t: "ok" }>): string {
  switch (parsed.t) {
    case "unknown":
      return "a kind that this version does not know";
    case "newer":
      return `schema ${parsed.schema}, newer than this version reads`;
    case "refused":
      return `malformed: ${parsed.reason}`;
  }
}

function shortOf(record: CatalogRecord): string {
  switch (record.t) {
    case "member": {
      const doors = record.gateways.map(({ host, port }) => `${host}:${port}`);
      return `isthmus ${record.software}, gateways ${doors.join(", ") || "none"}`;
    }
    case "service": {
      const ports = record.ports.map(({ port, protocol }) => `${port}/${protocol}`);
      const zones = record.zones.map(
        ({ zone, healthy, total }) => `${zone || "-"} ${healthy}/${total}`,
      );
      return `${ports.join(", ")}; healthy ${zones.join(", ") || "none"}`;
    }
    case "endpoints":
      return counted(record.endpoints.length, "endpoint");
  }
}
