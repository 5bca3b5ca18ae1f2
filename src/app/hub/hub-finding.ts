import type { Finding } from "../../mesh/service.ts";

/** A finding about one hub. The codes are explained in docs/errors.md. */
export interface HubFinding extends Finding {
  /** What to do about it, as a sentence. */
  readonly remedy: string;
}

/** Makes findings about one subject: a hub, or one server of it. */
export type Note = (
  code: string,
  severity: HubFinding["severity"],
  texts: { readonly message: string; readonly remedy: string },
) => HubFinding;

export function noteAbout(subject: string): Note {
  return (code, severity, texts) => ({ code, severity, subject, ...texts });
}
