import { request } from "node:https";
import { MeshError, reasonOf } from "../../mesh/errors.ts";

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
    const refuse = (truth: string): void => {
      asked.destroy();
      reject(new Error(truth));
    };
    asked.on("error", reject);
    asked.on("response", (response) => {
      const { statusCode } = response;
      if (statusCode !== 200) return refuse(`it answers with status ${statusCode}`);
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxBytes) refuse(`it has more than ${maxBytes} bytes`);
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
    asked.end();
  });
}
