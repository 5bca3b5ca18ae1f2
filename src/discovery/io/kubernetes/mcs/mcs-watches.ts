import type { Clock, Random } from "../../../../mesh/ports.ts";
import type { McsKind } from "../../../mcs/cluster-objects.ts";
import { managedByLabel, mcsGroup, mcsManager } from "../../../mcs/names.ts";
import type { FollowChange } from "../../../sources/kubernetes/follower.ts";
import type { OpenStream } from "../watch-attempt.ts";
import { createWatchReader, type WatchReader, type WatchStatus } from "../watch-reader.ts";

/** Follows the objects that imports and exports are made of. */
export interface McsWatches extends AsyncDisposable {
  readonly start: () => void;
  /** What is not there does not exist. */
  readonly isSynced: () => boolean;
  /** The server says no to one of them, twice in a row. */
  readonly isRefused: () => boolean;
  readonly status: (kind: McsKind) => WatchStatus;
}

interface Watched {
  readonly kind: McsKind;
  readonly paths: readonly string[];
  /** Absent: all that there are. */
  readonly labelSelector?: string;
}

// Older versions of the definitions are asked for after newer ones.
const refusedFrom = 2;

const mcsPaths = (plural: string): readonly string[] => [
  `/apis/${mcsGroup}/v1beta1/${plural}`,
  // Of clusters whose definitions are older.
  `/apis/${mcsGroup}/v1alpha1/${plural}`,
];

const watched: readonly Watched[] = [
  { kind: "Namespace", paths: ["/api/v1/namespaces"] },
  // All of them: an export's Service may be anybody's.
  { kind: "Service", paths: ["/api/v1/services"] },
  { kind: "ServiceExport", paths: mcsPaths("serviceexports") },
  { kind: "ServiceImport", paths: mcsPaths("serviceimports") },
  {
    kind: "EndpointSlice",
    paths: ["/apis/discovery.k8s.io/v1/endpointslices"],
    labelSelector: `${managedByLabel}=${mcsManager}`,
  },
];

export function createMcsWatches(options: {
  readonly open: OpenStream;
  readonly onChange: (kind: McsKind, change: FollowChange) => void;
  readonly onStatus: () => void;
  readonly clock: Clock;
  readonly random: Random;
}): McsWatches {
  const { onChange, open, ...rest } = options;
  const readers = new Map<McsKind, WatchReader>(
    watched.map(({ kind, paths, labelSelector }) => [
      kind,
      createWatchReader({
        ...rest,
        paths,
        open: labelSelector === undefined ? open : selecting(open, labelSelector),
        onChange: (change) => onChange(kind, change),
      }),
    ]),
  );
  const reader = (kind: McsKind): WatchReader => {
    const found = readers.get(kind);
    if (found === undefined) throw new RangeError(`${kind} is not watched`);
    return found;
  };
  return {
    start: () => {
      for (const one of readers.values()) one.start();
    },
    isSynced: () => [...readers.values()].every((one) => one.status().isSynced),
    isRefused: () =>
      [...readers.values()].some((one) => {
        const { problem, failures } = one.status();
        return problem?.t === "refused" && problem.code !== 410 && failures >= refusedFrom;
      }),
    status: (kind) => reader(kind).status(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...readers.values()].map((one) => one.close()));
    },
  };
}

/** The reader's own question, for objects with these labels. */
function selecting(open: OpenStream, labelSelector: string): OpenStream {
  const more = new URLSearchParams({ labelSelector }).toString();
  return (path, options) => open(`${path}&${more}`, options);
}
