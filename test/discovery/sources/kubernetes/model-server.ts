import type { FollowRequest } from "../../../../src/discovery/sources/kubernetes/follower.ts";

interface Change {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly name: string;
}

/** What an API server says about one list, as lines and pages; one version for each change. */
export interface ModelServer {
  readonly names: () => readonly string[];
  readonly versionOf: (name: string) => string | undefined;
  readonly write: (name: string) => void;
  readonly remove: (name: string) => void;
  /** Forgets what happened before now. */
  readonly compact: () => void;
  /** The lines of a watch from its beginning to the present; a code where it is refused. */
  readonly answer: (
    request: FollowRequest,
    options: { readonly hasStreams: boolean; readonly refuseInStream: boolean },
  ) => { readonly code: number } | { readonly lines: string[] } | { readonly page: string };
}

export function createModelServer(): ModelServer {
  const objects = new Map<string, number>();
  let log: Change[] = [];
  let version = 1;
  let compacted = 1;

  const line = (type: string, name: string, at: number): string =>
    JSON.stringify({ type, object: objectOf(name, at) });
  const bookmark = (isEnd: boolean): string =>
    JSON.stringify({
      type: "BOOKMARK",
      object: {
        metadata: {
          resourceVersion: String(version),
          ...(isEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
        },
      },
    });
  const expired = JSON.stringify({
    type: "ERROR",
    object: { kind: "Status", code: 410, message: "too old resource version" },
  });
  const note = (type: Change["type"], name: string): void => {
    version += 1;
    log.push({ version, type, name });
  };

  return {
    names: () => [...objects.keys()].sort(),
    versionOf: (name) => objects.get(name)?.toString(),
    write(name) {
      note(objects.has(name) ? "MODIFIED" : "ADDED", name);
      objects.set(name, version);
    },
    remove(name) {
      if (!objects.delete(name)) return;
      note("DELETED", name);
    },
    compact() {
      compacted = version;
      log = [];
    },
    answer(request, { hasStreams, refuseInStream }) {
      switch (request.t) {
        case "list-stream": {
          if (!hasStreams) return { code: 422 };
          const named = [...objects].map(([name, at]) => line("ADDED", name, at));
          return { lines: [...named, bookmark(true)] };
        }
        case "list-page": {
          const from = request.token === undefined ? "" : (request.token.split(" ")[1] ?? "");
          const at = request.token === undefined ? version : Number(request.token.split(" ")[0]);
          if (at < compacted) return { code: 410 };
          // As the API server does: later pages show the list as it was at the first.
          const then = stateAt(objects, log, at);
          const rest = [...then].filter(([name]) => name > from).sort(byName);
          const items = rest.slice(0, 2).map(([name, each]) => objectOf(name, each));
          const last = rest[1]?.[0];
          const token = rest.length > 2 ? { continue: `${at} ${last}` } : {};
          const metadata = { resourceVersion: String(at), ...token };
          return { page: JSON.stringify({ kind: "ThingList", apiVersion: "v1", metadata, items }) };
        }
        case "watch": {
          if (Number(request.version) < compacted) {
            return refuseInStream ? { lines: [expired] } : { code: 410 };
          }
          const news = log.filter((change) => change.version > Number(request.version));
          return {
            lines: [
              ...news.map(({ type, name, version: at }) => line(type, name, at)),
              bookmark(false),
            ],
          };
        }
      }
    },
  };
}

function objectOf(name: string, at: number): object {
  return { kind: "Thing", apiVersion: "v1", metadata: { name, resourceVersion: String(at) } };
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}

/** The list as it was at that version: later changes taken back. */
function stateAt(
  objects: ReadonlyMap<string, number>,
  log: readonly Change[],
  at: number,
): Map<string, number> {
  const then = new Map<string, number>();
  const names = new Set([...objects.keys(), ...log.map(({ name }) => name)]);
  for (const name of names) {
    const before = log.filter((change) => change.name === name && change.version <= at).at(-1);
    const isLater = log.some((change) => change.name === name && change.version > at);
    if (before !== undefined) {
      if (before.type !== "DELETED") then.set(name, before.version);
    } else if (!isLater) {
      const known = objects.get(name);
      if (known !== undefined) then.set(name, known);
    } else {
      const first = log.find((change) => change.name === name && change.version > at);
      // It was there before the log begins; its version then is not known any more, and does not matter.
      if (first?.type !== "ADDED") then.set(name, 0);
    }
  }
  return then;
}
