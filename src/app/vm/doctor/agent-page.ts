import { request } from "node:https";
import type { HostPort } from "../../../mesh/address.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import { fieldOf } from "../../../mesh/json-map.ts";
import { parseBundle } from "../../../trust/bundle.ts";

/** What an agent says to everybody. Nobody has proven anything: good for a comparison, not to be believed. */
export type AgentPage =
  | {
      readonly t: "ok";
      readonly tookMs: number;
      /** How far this machine's clock is before the agent's; negative: behind. Exact to a second. */
      readonly aheadMs: number | undefined;
      /** SHA-256 of their keys, hex. */
      readonly roots: readonly string[];
    }
  | { readonly t: "failed"; readonly reason: string };

const timeoutMs = 4_000;
const maxBytes = 256 * 1024;

/** Asks for the agent's roots, with a head as long as wanted. Never rejects. */
export async function agentPage(
  agent: HostPort,
  { paddedBytes = 0 }: { readonly paddedBytes?: number } = {},
): Promise<AgentPage> {
  const startMs = performance.now();
  try {
    const { date, body } = await get(agent, paddedBytes);
    const tookMs = performance.now() - startMs;
    const atMs = Date.parse(date);
    // The page cuts its second off; half of the way there and back lies before it was written.
    const aheadMs = Number.isNaN(atMs) ? undefined : Date.now() - tookMs / 2 - (atMs + 500);
    return { t: "ok", tookMs, aheadMs, roots: rootsIn(body) };
  } catch (thrown) {
    return { t: "failed", reason: reasonOf(thrown) };
  }
}

function rootsIn(body: string): readonly string[] {
  try {
    const pem = fieldOf(JSON.parse(body), "bundle");
    return parseBundle(String(pem)).roots.map(({ spkiSha256 }) => spkiSha256);
  } catch {
    return [];
  }
}

function get(
  { host, port }: HostPort,
  paddedBytes: number,
): Promise<{ readonly date: string; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({
      host,
      port,
      path: "/v1/bundle",
      // Whoever it is: what it says is compared with what this machine knows.
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(timeoutMs),
      agent: false,
      headers: {
        accept: "application/json",
        ...(paddedBytes === 0 ? {} : { "x-isthmus-padding": "x".repeat(paddedBytes) }),
      },
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("error", reject);
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > maxBytes) response.destroy(new Error("its answer has no end"));
      });
      response.on("end", () => resolve({ date: response.headers.date ?? "", body }));
    });
    asked.end();
  });
}
