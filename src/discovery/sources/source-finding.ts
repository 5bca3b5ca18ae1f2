import type { Finding } from "../../mesh/service.ts";

/** Every finding a source can make. `docs/sources.md` says what the operator does about each. */
export const sourceFindingCodes = [
  "SOURCE_FOLDER_UNREADABLE",
  "SOURCE_FOLDER_EMPTY",
  "SOURCE_FOLDER_TOO_LARGE",
  "SOURCE_FILE_UNREADABLE",
  "SOURCE_FILE_TOO_LARGE",
  "SOURCE_WATCH_DEGRADED",
  "SOURCE_API_UNREACHABLE",
  "SOURCE_API_UNAUTHENTICATED",
  "SOURCE_API_FORBIDDEN",
  "SOURCE_API_KIND_MISSING",
  "SOURCE_API_REFUSED",
  "SOURCE_API_ANSWER_UNREADABLE",
  "SOURCE_POD_NOT_INJECTED",
  "SOURCE_YAML_INVALID",
  "SOURCE_OBJECT_INVALID",
  "SOURCE_OBJECT_DUPLICATE",
  "SOURCE_KIND_UNSUPPORTED",
  "SOURCE_FIELD_UNKNOWN",
  "SOURCE_SLICE_UNUSED",
  "SOURCE_PORT_UNSERVED",
  "SOURCE_PORT_UNSUPPORTED",
  "SOURCE_EXPORT_METADATA_DROPPED",
  "SOURCE_ENDPOINT_CONFLICT",
  "SOURCE_EXPORT_WITHOUT_SERVICE",
  "SOURCE_EXPORT_TYPE_REFUSED",
  "SOURCE_EXPORT_WITHOUT_IDENTITY",
  "SOURCE_EXPORT_UNREACHABLE",
] as const;

export type SourceFindingCode = (typeof sourceFindingCodes)[number];

/** A finding of this folder: its code is one of the closed list. */
export interface SourceFinding extends Finding {
  readonly code: SourceFindingCode;
}

/** Where an object was read, as findings name it. */
export interface Origin {
  /** Path of a file as the operator wrote it, or the name of an object of an API server. */
  readonly file: string;
  /** Counted from 1; 0 where there are no lines. */
  readonly line: number;
}

export function originText(origin: Origin): string {
  const file = printable(origin.file);
  return origin.line === 0 ? file : `${file}:${origin.line}`;
}

const maxMessageChars = 500;

/**
 * Text with parts of a foreign file in it, fit for a terminal and a log line: neither control
 * characters (escape sequences among them) nor line breaks, and bounded.
 */
export function printable(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, "?");
  return line.length > maxMessageChars ? `${line.slice(0, maxMessageChars)}…` : line;
}

const maxShownChars = 80;

/** A value from a file, bounded and on one line, fit for a message. */
export function shown(value: unknown): string {
  let text: string | undefined;
  if (typeof value === "string") text = JSON.stringify(value.slice(0, maxShownChars + 1));
  else if (Array.isArray(value)) text = "a list";
  else if (typeof value === "object" && value !== null) text = "a map";
  else text = String(value);
  return text.length > maxShownChars ? `${text.slice(0, maxShownChars)}…` : text;
}
