import type { MeshService } from "../../../discovery/mesh-service.ts";
import type { MemberName, ServiceId } from "../../../mesh/ids.ts";
import type { LoadKey } from "../../../telemetry/load/load-book.ts";

/** Where one reported locality belongs. */
export interface Place {
  readonly key: LoadKey;
  readonly service: ServiceId;
  /** Undefined: of the own member, which its own probes look after, or no upstream at all. */
  readonly remote: MemberName | undefined;
}

/** Stands for all zones that a service does not have: a proxy may think up any number of them. */
export const unknownZone = "other";

/** Undefined: no such member serves it. A zone that the service does not have is `unknownZone`. */
export function placeIn(
  service: MeshService,
  at: {
    readonly zone: string | undefined;
    readonly by: LoadKey["by"];
    readonly self: MemberName;
  },
): Place | undefined {
  const { id } = service;
  if (at.zone === undefined) {
    return {
      key: { service: id, member: "", zone: "", by: at.by },
      service: id,
      remote: undefined,
    };
  }
  const slash = at.zone.indexOf("/");
  const member = at.zone.slice(0, Math.max(0, slash));
  const zone = at.zone.slice(slash + 1);
  const remote = service.remotes.find((one) => one.member === member);
  if (remote === undefined && member !== at.self) return undefined;
  const endpoints = remote?.endpoints ?? service.local?.endpoints ?? [];
  const isKnown =
    endpoints.some((one) => one.zone === zone) ||
    (remote !== undefined && (zone === "gateway" || zone === "unhealthy"));
  return {
    key: { service: id, member, zone: isKnown ? zone : unknownZone, by: at.by },
    service: id,
    // What stands for the missing part of a member is never there.
    remote: zone === "unhealthy" ? undefined : remote?.member,
  };
}
