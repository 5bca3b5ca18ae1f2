import { request } from "node:https";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { responseText } from "./response-text.ts";

export interface FetchTextOptions {
  /** Who may have signed the server's certificate, PEM; absent: the authorities that Node trusts. */
  readonly caPem?: string;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/**
 * Gets a small document over HTTPS. Redirects are refused: the configured host is who is trusted. Throws
 * MESH_UNREACHABLE.
 */
export async function fetchText(url: string, options: FetchTextOptions): Promise<string> {
  try {
    return await get(url, options);
  } catch (cause) {
    throw new MeshError("MESH_UNREACHABLE", `Cannot get "${url}": ${reasonOf(cause)}`, { cause });
  }
}

function get(url: string, { caPem, maxBytes, timeoutMs }: FetchTextOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      // A connection for each: keys are asked for a few times an hour.
      agent: false,
      minVersion: "TLSv1.2",
      headers: { accept: "application/json, application/jwk-set+json" },
      signal: AbortSignal.timeout(timeoutMs),
      ...(caPem === undefined ? {} : { ca: caPem }),
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      responseText(response, maxBytes).then(resolve, reject);
    });
    asked.end();
  });
}
