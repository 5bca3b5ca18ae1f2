import { asMap, type JsonMap, listIn, mapIn, numberIn, textIn } from "../../../mesh/json-map.ts";

/** The part of an object's metadata by which a list is followed. */
export interface ObjectMeta {
  /** `<namespace>/<name>`, or the name alone for what stands in no namespace. */
  readonly key: string;
  /** `metadata.resourceVersion`: opaque, compared for equality only. */
  readonly version: string;
}

/** One line of a watch. Source: Kubernetes API concepts, "Efficient detection of changes". */
export type WatchEvent =
  | ({ readonly t: "put"; readonly object: object } & ObjectMeta)
  | ({ readonly t: "gone" } & ObjectMeta)
  /** `isListEnd`: all that existed when the watch began has been named. */
  | { readonly t: "bookmark"; readonly version: string; readonly isListEnd: boolean }
  /** `code` as an HTTP status would be; 410: the version that the watch began with is compacted. */
  | { readonly t: "error"; readonly code: number; readonly message: string }
  /** No event that this reader understands. */
  | { readonly t: "unreadable"; readonly reason: string };

const listEndKey = "k8s.io/initial-events-end";

/** Reads one line of a watch. Never throws. */
export function readWatchEvent(line: string): WatchEvent {
  const event = parseJson(line);
  if (event === undefined) return { t: "unreadable", reason: "it is no JSON" };
  const object = mapIn(event, "object");
  if (object === undefined) return { t: "unreadable", reason: "it has no object" };
  const type = textIn(event, "type");
  if (type === "ERROR") return errorOf(object);
  const metadata = mapIn(object, "metadata");
  const version = metadata === undefined ? undefined : textIn(metadata, "resourceVersion");
  if (metadata === undefined || version === undefined) {
    return { t: "unreadable", reason: "its object has no resource version" };
  }
  if (type === "BOOKMARK") {
    const isListEnd = textIn(mapIn(metadata, "annotations") ?? {}, listEndKey) === "true";
    return { t: "bookmark", version, isListEnd };
  }
  const key = keyOf(metadata);
  if (key === undefined) return { t: "unreadable", reason: "its object has no name" };
  if (type === "ADDED" || type === "MODIFIED") return { t: "put", key, version, object };
  if (type === "DELETED") return { t: "gone", key, version };
  return { t: "unreadable", reason: "its type is none that is known" };
}

/** One answer to a paged list. */
export interface ListPage {
  readonly version: string;
  /** Absent on the last page. */
  readonly token?: string;
  readonly items: readonly (ObjectMeta & { readonly object: object })[];
  /** Items without a name or version. */
  readonly unreadable: number;
}

/** Reads one page of a list; undefined when it is none. Never throws. */
export function readListPage(text: string): ListPage | undefined {
  const list = parseJson(text);
  const metadata = list === undefined ? undefined : mapIn(list, "metadata");
  const version = metadata === undefined ? undefined : textIn(metadata, "resourceVersion");
  if (list === undefined || metadata === undefined || version === undefined) return undefined;
  // An empty list may be written as null; one that is left out is none.
  const raw = listIn(list, "items") ?? (list["items"] === null ? [] : undefined);
  if (raw === undefined) return undefined;
  const items = raw.flatMap((item) => itemOf(list, item));
  const token = textIn(metadata, "continue");
  const unreadable = raw.length - items.length;
  return { version, items, unreadable, ...(token === undefined || token === "" ? {} : { token }) };
}

/** Items of a typed list leave out what they are: the list says it once. */
function itemOf(list: JsonMap, item: unknown): ListPage["items"] {
  const map = asMap(item);
  const metadata = map === undefined ? undefined : mapIn(map, "metadata");
  if (map === undefined || metadata === undefined) return [];
  const key = keyOf(metadata);
  const version = textIn(metadata, "resourceVersion");
  if (key === undefined || version === undefined) return [];
  const kind = textIn(list, "kind")?.replace(/List$/, "");
  const said = { apiVersion: textIn(list, "apiVersion"), kind };
  return [{ key, version, object: { ...said, ...map } }];
}

/** The message of a `Status`, for whoever reads findings; undefined when the text is none. */
export function readStatusMessage(text: string): string | undefined {
  const status = parseJson(text);
  return status === undefined ? undefined : textIn(status, "message");
}

function errorOf(status: JsonMap): WatchEvent {
  const code = numberIn(status, "code") ?? 500;
  return {
    t: "error",
    code: Number.isInteger(code) ? code : 500,
    message: textIn(status, "message") ?? "it gives no reason",
  };
}

function keyOf(metadata: JsonMap): string | undefined {
  const name = textIn(metadata, "name");
  const namespace = textIn(metadata, "namespace");
  if (name === undefined || name === "") return undefined;
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

function parseJson(text: string): JsonMap | undefined {
  try {
    return asMap(JSON.parse(text));
  } catch {
    return undefined;
  }
}
