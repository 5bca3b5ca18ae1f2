import type { KubeObject, ObjectKey } from "../objects/kube-objects.ts";
import type { Origin, SourceFinding } from "../source-finding.ts";
import { originText } from "../source-finding.ts";
import { splitDocuments } from "../yaml/yaml-documents.ts";
import type { DocumentContent, Note } from "./read-document.ts";
import { readDocument } from "./read-document.ts";

/** An object and where it came from. */
export interface SourcedObject<One extends KubeObject = KubeObject> {
  readonly object: One;
  readonly origin: Origin;
  /** When this source first saw the object, epoch. It stands in for a creation time that is not stated. */
  readonly firstSeenMs: number;
}

/** One file's objects, its last good ones where the present ones are wrong. */
export interface Manifest {
  readonly file: string;
  readonly objects: ReadonlyMap<ObjectKey, SourcedObject>;
  readonly findings: readonly SourceFinding[];
  /** What each document's text meant, so that a rescan reads only what changed. */
  readonly contents: ReadonlyMap<string, DocumentContent>;
  /** The last document's object and length: only that one can be cut short by a save in progress. */
  readonly tail: { readonly keys: readonly ObjectKey[]; readonly chars: number };
}

export interface ManifestInput {
  readonly file: string;
  readonly text: string;
  /** When the file was last written, epoch. */
  readonly modifiedMs: number;
}

// Mistakes are what takes the parser long: a file may cost seconds at most, not minutes.
const maxBroken = 10;

/**
 * Reads one file of YAML documents. What is invalid keeps the content that `previous` had of it; when
 * it cannot be told which object is invalid, nothing that `previous` had is taken away.
 */
export function readManifest(input: ManifestInput, previous?: Manifest): Manifest {
  const contents = new Map<string, DocumentContent>();
  const objects = new Map<ObjectKey, SourcedObject>();
  const findings: SourceFinding[] = [];
  let broken = 0;
  const documents = splitDocuments(input.text);
  for (const { line, text } of documents) {
    if (broken >= maxBroken) {
      findings.push(restFinding({ file: input.file, line }));
      break;
    }
    const content = previous?.contents.get(text) ?? readDocument(text);
    contents.set(text, content);
    if (content.isBroken) broken += 1;
    for (const found of content.objects) {
      const origin = { file: input.file, line: line + found.line };
      addObject(
        { object: found.object, origin, firstSeenMs: input.modifiedMs },
        { objects, findings, previous },
      );
    }
    const kept = content.isBroken ? (previous?.objects.size ?? 0) > 0 : false;
    const isKept = content.invalidKeys.map((key) => keepPrevious(key, { objects, previous }));
    const place = { file: input.file, line, hasKept: kept || isKept.includes(true) };
    for (const note of content.notes) findings.push(findingOf(note, place));
  }
  if (broken > 0)
    for (const key of previous?.objects.keys() ?? []) keepPrevious(key, { objects, previous });
  const last = documents.at(-1);
  const tailKeys = last === undefined ? [] : (contents.get(last.text)?.objects ?? []);
  const tail = { keys: tailKeys.map(({ object }) => object.key), chars: last?.text.length ?? 0 };
  return { file: input.file, objects, findings, contents, tail };
}

interface Building {
  readonly objects: Map<ObjectKey, SourcedObject>;
  readonly previous: Manifest | undefined;
}

function addObject(
  found: SourcedObject,
  { objects, findings, previous }: Building & { readonly findings: SourceFinding[] },
): void {
  const { key } = found.object;
  const twin = objects.get(key);
  if (twin === undefined) {
    const firstSeenMs = previous?.objects.get(key)?.firstSeenMs ?? found.firstSeenMs;
    objects.set(key, { ...found, firstSeenMs });
    return;
  }
  findings.push(duplicateFinding(found, twin));
}

/** Two places define one object; the operator has to delete one of them. */
export function duplicateFinding(unused: SourcedObject, used: SourcedObject): SourceFinding {
  return {
    code: "SOURCE_OBJECT_DUPLICATE",
    severity: "error",
    subject: originText(unused.origin),
    message: `${unused.object.key} also stands in ${originText(used.origin)}, which is used; delete one of the two`,
  };
}

function keepPrevious(key: ObjectKey, { objects, previous }: Building): boolean {
  const kept = previous?.objects.get(key);
  if (kept === undefined || objects.has(key)) return false;
  objects.set(key, kept);
  return true;
}

function restFinding(origin: Origin): SourceFinding {
  return {
    code: "SOURCE_YAML_INVALID",
    severity: "error",
    subject: originText(origin),
    message: `Cannot read the rest of the file: ${maxBroken} documents before are broken; mend these first`,
  };
}

function findingOf(note: Note, document: Origin & { readonly hasKept: boolean }): SourceFinding {
  const { code, severity } = note;
  const subject = originText({ file: document.file, line: document.line + note.line });
  const isKept = document.hasKept && severity === "error";
  const message = isKept ? `${note.message}; its last good content stays in use` : note.message;
  return { code, severity, subject, message };
}

/**
 * Whether `next` may be a save that is still being written: it lost objects, it has errors, or its
 * last document got shorter. The caller waits until the file has been quiet for a moment.
 */
export function mayBeUnfinished(previous: Manifest | undefined, next: Manifest): boolean {
  if (next.findings.some(({ severity }) => severity === "error")) return true;
  if (previous === undefined) return false;
  for (const key of previous.objects.keys()) if (!next.objects.has(key)) return true;
  const known = next.tail.keys.filter((key) => previous.objects.has(key));
  const isSameTail = known.every((key) => previous.tail.keys.includes(key));
  return !isSameTail || (known.length > 0 && next.tail.chars < previous.tail.chars);
}
