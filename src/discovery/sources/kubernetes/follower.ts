import type { ListPage, ObjectMeta, WatchEvent } from "./watch-event.ts";

/** What to ask the API server next. */
export type FollowRequest =
  /** A watch that names all objects first. */
  | { readonly t: "list-stream" }
  /** For servers that refuse that. */
  | { readonly t: "list-page"; readonly limit: number; readonly token?: string }
  | { readonly t: "watch"; readonly version: string };

/** What came of an answer. */
export interface FollowChange {
  /** New or changed; the object is as the server wrote it. */
  readonly puts: readonly { readonly key: string; readonly object: object }[];
  readonly removed: readonly string[];
}

/** Where a list of objects stands and how it goes on. It knows no clock and no socket. */
export interface Follower {
  /** A whole list was taken at least once: what is not there does not exist. */
  readonly isSynced: () => boolean;
  /** A list is under way; what was known before still counts. */
  readonly isListing: () => boolean;
  /** Call before each attempt: a list that was cut off starts anew. */
  readonly begin: () => FollowRequest;
  readonly take: (event: WatchEvent) => FollowChange;
  readonly takePage: (page: ListPage) => FollowChange;
  /** Something in an answer could not be read: the list under way proves nobody's absence. */
  readonly missed: () => void;
  /** The server answered with this HTTP status, or with an ERROR event of this code. */
  readonly refused: (code: number) => void;
  /** A page was larger than the reader takes. */
  readonly tooLarge: () => void;
}

// The API server's own clients ask for as many.
const pageItems = 500;
const fewerItems = 5;
// A version that the server will never have (it was restored from a copy) is refused each time.
const maxRefusedWatches = 3;
const nothing: FollowChange = { puts: [], removed: [] };

/** 401, 403, 404 and 429 say nothing of the way in which was asked, nor do failures of the server. */
function isAboutTheWay(code: number): boolean {
  return code >= 400 && code < 500 && ![401, 403, 404, 408, 410, 429].includes(code);
}

/**
 * Follows one list of objects. A list that has to be read again takes nothing away before it is whole,
 * and then only what it did not name.
 */
export function createFollower(): Follower {
  const versions = new Map<string, string>();
  let next: FollowRequest = { t: "list-stream" };
  let listed = { names: new Set<string>(), isWhole: true };
  let isSynced = false;
  let refusedWatches = 0;

  const listAgain = (request: FollowRequest): void => {
    next = request;
    listed = { names: new Set(), isWhole: true };
    refusedWatches = 0;
  };

  const put = ({ key, version, object }: ObjectMeta & { object: object }): FollowChange["puts"] => {
    if (next.t !== "watch") listed.names.add(key);
    if (versions.get(key) === version) return [];
    versions.set(key, version);
    return [{ key, object }];
  };

  const finishList = (version: string): string[] => {
    const { names, isWhole } = listed;
    const removed = isWhole ? [...versions.keys()].filter((key) => !names.has(key)) : [];
    for (const key of removed) versions.delete(key);
    next = { t: "watch", version };
    listed = { names: new Set(), isWhole: true };
    isSynced = true;
    return removed;
  };

  const advance = (version: string): void => {
    refusedWatches = 0;
    if (next.t === "watch") next = { t: "watch", version };
  };

  return {
    isSynced: () => isSynced,
    isListing: () => next.t !== "watch",
    begin() {
      if (next.t === "list-stream") listAgain(next);
      return next;
    },
    take(event) {
      switch (event.t) {
        case "put": {
          const puts = put(event);
          advance(event.version);
          return { puts, removed: [] };
        }
        case "gone":
          advance(event.version);
          return versions.delete(event.key) ? { puts: [], removed: [event.key] } : nothing;
        case "bookmark":
          if (event.isListEnd && next.t === "list-stream") {
            return { puts: [], removed: finishList(event.version) };
          }
          advance(event.version);
          return nothing;
        case "unreadable":
          listed.isWhole = false;
          return nothing;
        case "error":
          return nothing;
      }
    },
    takePage(page) {
      if (next.t !== "list-page") return nothing;
      const puts = page.items.flatMap(put);
      if (page.unreadable > 0) listed.isWhole = false;
      if (page.token === undefined) return { puts, removed: finishList(page.version) };
      next = { ...next, token: page.token };
      return { puts, removed: [] };
    },
    missed: () => {
      listed.isWhole = false;
    },
    refused(code) {
      if (code === 410)
        listAgain(next.t === "list-page" ? { ...firstPage(next) } : { t: "list-stream" });
      else if (next.t === "list-stream" && isAboutTheWay(code)) {
        listAgain({ t: "list-page", limit: pageItems });
      } else if (next.t === "watch") {
        refusedWatches += 1;
        const isHopeless = isAboutTheWay(code) || refusedWatches >= maxRefusedWatches;
        if (isHopeless && ![401, 403, 404, 429].includes(code)) listAgain({ t: "list-stream" });
      }
    },
    tooLarge() {
      if (next.t !== "list-page") return;
      next = { ...next, limit: next.limit > fewerItems ? fewerItems : 1 };
    },
  };
}

function firstPage({ limit }: { readonly limit: number }): FollowRequest {
  return { t: "list-page", limit };
}
