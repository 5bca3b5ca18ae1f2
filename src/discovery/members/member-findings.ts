import type { MemberName } from "../../mesh/ids.ts";
import type { Finding } from "../../mesh/service.ts";
import type { MemberState } from "./member-state.ts";

/**
 * Which members an operator should look after. While no hub can be read from here all leases are lost,
 * and only that is worth saying.
 */
export function memberFindings(
  members: readonly { readonly member: MemberName; readonly state: MemberState }[],
  from: { readonly isAnyHubReadable: boolean },
): readonly Finding[] {
  if (!from.isAnyHubReadable) return [];
  return members.flatMap(({ member, state }): readonly Finding[] => {
    switch (state) {
      case "live":
      case "unreachable":
        return [];
      case "stale":
        return [
          {
            code: "CATALOG_MEMBER_STALE",
            severity: "warning",
            subject: member,
            message:
              "its agent is not heard any more; its gateways answer, and its last state stays in use",
          },
        ];
      case "down":
        return [
          {
            code: "CATALOG_MEMBER_DOWN",
            severity: "error",
            subject: member,
            message:
              "neither its agent nor its gateways answer; traffic has moved to others where there are any",
          },
        ];
    }
  });
}
