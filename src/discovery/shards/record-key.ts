import type { ServiceId } from "../../mesh/ids.ts";
import { parseServiceId } from "../../mesh/ids.ts";

/** What a record is about. Kinds of newer versions are carried and hashed, not understood. */
export type RecordKey =
  | { readonly t: "member" }
  | { readonly t: "service"; readonly id: ServiceId }
  | { readonly t: "endpoints"; readonly id: ServiceId; readonly slice: number }
  | { readonly t: "other" };

export const memberKey = "member";
/** Slices of one service; more than 6,400,000 workloads behind one name are not a service. */
const maxSlices = 65_536;
// ASCII only, so that the order of JavaScript strings is the order of their bytes.
const keyShape = /^[a-z][a-z0-9-]{0,30}(?:\/[A-Za-z0-9._-]{1,128}){0,4}$/;

export function serviceKey(id: ServiceId): string {
  return `service/${id}`;
}

export function endpointsKey(id: ServiceId, slice: number): string {
  return `endpoints/${id}/${slice}`;
}

/** Undefined for a key that no version of ours would write. */
export function parseRecordKey(text: string): RecordKey | undefined {
  if (!keyShape.test(text)) return undefined;
  const [kind = "", ...rest] = text.split("/");
  switch (kind) {
    case "member":
      return rest.length === 0 ? { t: "member" } : undefined;
    case "service": {
      const id = serviceIdFrom(rest);
      return id === undefined || rest.length !== 2 ? undefined : { t: "service", id };
    }
    case "endpoints": {
      const id = serviceIdFrom(rest);
      const slice = sliceFrom(rest[2]);
      const isKey = id !== undefined && slice !== undefined && rest.length === 3;
      return isKey ? { t: "endpoints", id, slice } : undefined;
    }
    default:
      return { t: "other" };
  }
}

function serviceIdFrom(parts: readonly string[]): ServiceId | undefined {
  try {
    return parseServiceId(parts.slice(0, 2).join("/"));
  } catch {
    return undefined;
  }
}

function sliceFrom(text: string | undefined): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const slice = Number(text);
  return slice < maxSlices ? slice : undefined;
}
