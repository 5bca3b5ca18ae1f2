import type { LanePlan } from "./sample.ts";

/** What an exchange looks like on the wire. */
export interface Codec {
  readonly request: (id: string) => string;
  /** All that was received since the request. */
  readonly read: (received: string) => Answer;
}

export type Answer =
  | { readonly t: "more" }
  | {
      /** `closing`: the connection ends with this answer. */
      readonly t: "closing" | "whole";
      readonly who?: string;
      readonly failure?: string;
    };

export function codecFor({ service, kind }: LanePlan): Codec {
  return kind === "get" || kind === "post" ? httpCodec(service, kind) : lineCodec;
}

const lineCodec: Codec = {
  request: (id) => `${id}\n`,
  read: (received) =>
    received.endsWith("\n") ? { t: "whole", who: received.trim() } : { t: "more" },
};

const body = "x".repeat(64);

function httpCodec(service: string, kind: "get" | "post"): Codec {
  const method = kind.toUpperCase();
  const length = kind === "post" ? `content-length: ${body.length}\r\n` : "";
  const host = `${service}.shop.svc.cluster.local`;
  return {
    request: (id) =>
      `${method} /${id} HTTP/1.1\r\nhost: ${host}\r\nx-id: ${id}\r\n${length}\r\n${length && body}`,
    read: readHttp,
  };
}

function readHttp(received: string): Answer {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return { t: "more" };
  const head = received.slice(0, headEnd).toLowerCase();
  const [, length] = /\r\ncontent-length: *(\d+)/.exec(head) ?? [];
  const content = received.slice(headEnd + 4);
  if (length === undefined) return { t: "closing", failure: `no length: ${head}` };
  if (content.length < Number(length)) return { t: "more" };
  const t = /\r\nconnection: *close/.test(head) ? "closing" : "whole";
  const [, status] = /^http\/1\.1 (\d+)/.exec(head) ?? [];
  if (status === "200") return { t, who: content.trim() };
  return { t, failure: `status ${status}: ${content.trim().slice(0, 120)}` };
}
