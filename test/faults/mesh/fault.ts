import type { FaultMesh } from "./mesh.ts";
import type { ServiceName } from "./plan.ts";
import type { RowName } from "./targets.ts";

/** Something that dies, hangs or is cut off under load, and is mended again. The caller is in eu. */
export interface MeshFault {
  /** Stable, for `--only` and whoever reads the table by machine. */
  readonly name: string;
  /** What happens, in the table's words. */
  readonly title: string;
  /** What the table demands of it. */
  readonly row: RowName;
  readonly http: ServiceName;
  readonly tcp: ServiceName;
  /** How those sign whom the fault hits, by the beginnings of their signatures; empty: nobody. */
  readonly struck: readonly string[];
  /** Where traffic may go, likewise; absent: anywhere. */
  readonly allowed?: readonly string[];
  /** Of the region that answers while it lasts; absent: the caller's own. */
  readonly rttMs?: number;
  /** How long it lasts; default: that of all. */
  readonly lastsMs?: number;
  /** On a mesh of its own, whose proxies begin with certificates of that life. */
  readonly svidLifeMs?: number;
  /** What has to be so before; whatever fails from here on counts. */
  readonly prepare?: (mesh: FaultMesh) => Promise<void>;
  /** Not with every commit: it takes minutes, or a sister of it says the same. */
  readonly isRare?: boolean;
  readonly strike: (mesh: FaultMesh) => Promise<void>;
  readonly mend: (mesh: FaultMesh) => Promise<void>;
}
