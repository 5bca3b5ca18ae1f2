import type { HubConnection } from "./link/connection.ts";
import { HubFailure } from "./link/hub-failure.ts";
import type { HubLink } from "./link/hub-link.ts";
import type { HubCall } from "./redis-hub.ts";

/** Runs something on a link, counts it, and says in the caller's words why it failed. */
export type Ask = <Result>(
  call: HubCall | "log",
  doing: string,
  options: {
    /** Absent: the connection for commands. */
    readonly link?: HubLink;
    readonly signal: AbortSignal;
    readonly run: (connection: HubConnection) => Promise<Result>;
  },
) => Promise<Result>;

/** The start of a string; empty where there is none or it is no string. */
export async function rangeOf(
  connection: HubConnection,
  range: { readonly key: string; readonly bytes: number },
): Promise<Buffer> {
  const reply = await connection
    .call(["GETRANGE", range.key, 0, range.bytes - 1])
    .catch(nothingForJunk);
  return Buffer.isBuffer(reply) ? reply : Buffer.alloc(0);
}

/** What one member wrote must not keep the others from being read: its junk counts as nothing. */
export function nothingForJunk(thrown: unknown): null {
  if (thrown instanceof HubFailure && thrown.kind === "junk" && !thrown.isFatal) return null;
  throw thrown;
}
