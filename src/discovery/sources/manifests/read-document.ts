import type { Item, Problem } from "../objects/fields.ts";
import { pathText } from "../objects/fields.ts";
import type { KubeObject, ObjectKey } from "../objects/kube-objects.ts";
import { readObject } from "../objects/read-object.ts";
import type { SourceFindingCode } from "../source-finding.ts";
import { printable } from "../source-finding.ts";
import { linesOfPaths, readYaml } from "../yaml/yaml-reader.ts";

/** One document's content. Lines are counted from 0 within the document: it may move in its file. */
export interface DocumentContent {
  readonly objects: readonly { readonly object: KubeObject; readonly line: number }[];
  /** Objects that are there and wrong. */
  readonly invalidKeys: readonly ObjectKey[];
  /** Something is wrong and it cannot be told with which object. */
  readonly isBroken: boolean;
  readonly notes: readonly Note[];
}

/** A finding before the file is known. */
export interface Note {
  readonly code: SourceFindingCode;
  readonly severity: "error" | "warning";
  readonly line: number;
  readonly message: string;
}

const maxNotes = 20;
const maxItems = 20_000;
const nothing: DocumentContent = { objects: [], invalidKeys: [], isBroken: false, notes: [] };

/** Reads one YAML document: an object, or a `v1` List of them. */
export function readDocument(text: string): DocumentContent {
  if (isForeign(text)) return nothing;
  const yaml = readYaml(text);
  if (yaml.t === "invalid") {
    const note: Note = {
      code: "SOURCE_YAML_INVALID",
      severity: "error",
      line: yaml.line - 1,
      message: printable(`Cannot read YAML: ${yaml.reason}`),
    };
    return { ...nothing, isBroken: true, notes: [note] };
  }
  return readItems(text, itemsOf(yaml.value));
}

// Kinds that belong to others, in the form in which nearly everything is written. A folder of
// manifests is mostly these, and what is in them is not ours to judge.
const ours =
  /^(?:Service|EndpointSlice|Endpoints|ServiceExport|List|ServiceList|EndpointSliceList|ServiceExportList)$/;
const header = /^(apiVersion|kind):[ ]+([A-Za-z0-9./-]+)[ ]*(?:#.*)?\r?$/gm;

function isForeign(text: string): boolean {
  const [first, second, ...more] = text.matchAll(header);
  if (first === undefined || second === undefined || more.length > 0) return false;
  if (first[1] === second[1]) return false;
  const kind = (first[1] === "kind" ? first[2] : second[2]) ?? "";
  const apiVersion = (first[1] === "kind" ? second[2] : first[2]) ?? "";
  return !ours.test(kind) && !apiVersion.startsWith("isthmus.dev/");
}

function itemsOf(value: unknown): Item[] {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  const map = (isMap ? value : {}) as Readonly<Record<string, unknown>>;
  const isList = typeof map["kind"] === "string" && map["kind"].endsWith("List");
  const items = map["items"];
  if (!isList || !Array.isArray(items)) return [{ path: [], value }];
  return items
    .slice(0, maxItems)
    .map((entry: unknown, index) => ({ path: ["items", index], value: entry }));
}

function readItems(text: string, items: readonly Item[]): DocumentContent {
  const problems: Problem[] = [];
  const invalidKeys: ObjectKey[] = [];
  const found: { object: KubeObject; item: Item }[] = [];
  let isBroken = false;
  for (const item of items) {
    const reading = readObject(item, problems);
    if (reading.t === "object") found.push({ object: reading.object, item });
    if (reading.t !== "invalid") continue;
    if (reading.key === undefined) isBroken = true;
    else invalidKeys.push(reading.key);
  }
  // An object that stands alone starts with its document; only lists and problems need the lines.
  const isAlone = items.length === 1 && items[0]?.path.length === 0;
  const objectLines = isAlone
    ? []
    : linesIn(
        text,
        found.map(({ item }) => item.path),
      );
  const start = isAlone ? firstContentLine(text) : 0;
  return {
    objects: found.map(({ object }, index) => ({ object, line: objectLines[index] ?? start })),
    invalidKeys,
    isBroken,
    notes: notesOf(text, problems),
  };
}

function linesIn(text: string, paths: readonly Item["path"][]): number[] {
  return paths.length === 0 ? [] : linesOfPaths(text, paths).map((line) => line - 1);
}

function firstContentLine(text: string): number {
  const lines = /^(?:[ \t]*(?:#.*)?\r?\n)*/.exec(text)?.[0] ?? "";
  return lines.split("\n").length - 1;
}

function notesOf(text: string, problems: readonly Problem[]): Note[] {
  const told = problems.slice(0, maxNotes);
  const lines = linesIn(
    text,
    told.map(({ path }) => path),
  );
  const notes = told.map(({ code, path, message }, index): Note => {
    const severity = code === "SOURCE_OBJECT_INVALID" || code === "SOURCE_KIND_UNSUPPORTED";
    return {
      code,
      severity: severity ? "error" : "warning",
      line: lines[index] ?? 0,
      message: printable(`Cannot use ${pathText(path)}: ${message}`),
    };
  });
  const last = notes.at(-1);
  if (last === undefined || problems.length === told.length) return notes;
  const rest = `${problems.length - told.length} more mistakes in this document are not listed`;
  return [...notes, { ...last, message: rest }];
}
