import { canonicalIp, isIp } from "../../mesh/address.ts";
import { readGroupId } from "../../mesh/workload-group.ts";
import { type Registered, registeredKey, type StreamState } from "./registered.ts";

// Entries as they lie on disk and go to replicas. Clocks of two processes have nothing in common, so that
// instead of when a state began it says for how long it has been so.

const states = ["live", "leaving", "awaited", "lost", "held", "gone"] as const;

export function registeredJson(entry: Registered, nowMs: number): object {
  const { key: _key, stream, ...rest } = entry;
  const forMs = stream.t === "live" ? 0 : Math.max(0, Math.round(nowMs - stream.sinceMs));
  return { ...rest, stream: stream.t, forMs };
}

/** Undefined for what is no such entry: it costs only itself. */
export function registeredIn(value: unknown, nowMs: number): Registered | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const text = (key: string, max: number): string | undefined => {
    const found = fields[key];
    return typeof found === "string" && found.length <= max ? found : undefined;
  };
  const count = (key: string): number | undefined => {
    const found = fields[key];
    return typeof found === "number" && Number.isSafeInteger(found) && found >= 0
      ? found
      : undefined;
  };
  const group = readGroupId(text("group", 320) ?? "");
  const address = text("address", 64) ?? "";
  const instance = text("instance", 64) ?? "";
  const state = states.find((one) => one === fields["stream"]);
  const [sequence, change] = [count("sequence"), count("change")];
  const serviceAccount = text("serviceAccount", 253);
  const name = text("name", 253);
  if (group === undefined || !isIp(address) || !/^[0-9a-f]{32,64}$/.test(instance))
    return undefined;
  if (state === undefined || sequence === undefined || change === undefined) return undefined;
  if (serviceAccount === undefined || name === undefined) return undefined;
  const stream: StreamState =
    state === "live" ? { t: state } : { t: state, sinceMs: nowMs - (count("forMs") ?? 0) };
  return {
    key: registeredKey({ group, serviceAccount, instance }),
    group,
    serviceAccount,
    instance,
    name,
    address: canonicalIp(address),
    isOwnAddress: fields["isOwnAddress"] === true,
    zone: text("zone", 63) ?? "",
    version: text("version", 64) ?? "",
    stated: fields["stated"] === "healthy" ? "healthy" : "unhealthy",
    reason: text("reason", 512) ?? "",
    stream,
    sequence,
    change,
    holder: text("holder", 64) ?? "",
  };
}
