import type { MemberName, NetworkName } from "../mesh/ids.ts";

/** The member whose proxies are told something, and the zone they stand in. */
export interface Viewer {
  readonly member: MemberName;
  readonly cloud: string;
  readonly region: string;
  readonly network: NetworkName;
  /** As this member names it; empty when unknown. */
  readonly zone: string;
  /** How many sidecars of this member stand in each zone; absent: all in the viewer's own. */
  readonly callers?: ReadonlyMap<string, number>;
}
