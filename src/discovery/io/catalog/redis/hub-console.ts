import type { HostPort } from "../../../../mesh/address.ts";
import { createServerFinder } from "./link/find-server.ts";
import { readAccess } from "./link/hub-access.ts";
import { brokenBy, HubFailure, unavailable } from "./link/hub-failure.ts";
import { parseHubUrl } from "./link/hub-url.ts";
import type { RedisDeps, RedisHub } from "./redis-hub.ts";
import type { Reply } from "./replies.ts";

/** One connection to the server of a hub that may be written, for questions of an operator. */
export interface HubConsole extends AsyncDisposable {
  readonly shape: "standalone" | "sentinel" | "cluster";
  /** Of the server that answers. */
  readonly address: HostPort;
  /**
   * One command; replies as in RESP2: text, number, null or a list of them. Throws
   * MESH_CATALOG_UNAVAILABLE, also where the server refuses the command: its words are in the message.
   */
  readonly call: (...command: readonly [string, ...(string | number)[]]) => Promise<unknown>;
}

/** Throws MESH_CATALOG_UNAVAILABLE when the hub does not answer or refuses the credentials. */
export async function connectHub(
  hub: RedisHub,
  deps: Pick<RedisDeps, "mesh" | "timers" | "clock">,
  signal: AbortSignal,
): Promise<HubConsole> {
  const url = parseHubUrl(hub.url);
  const finder = createServerFinder(url, deps.mesh);
  const saying = async <Result>(doing: string, run: () => Promise<Result>): Promise<Result> => {
    try {
      return await run();
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      throw unavailable({ hub: hub.name, doing }, brokenBy(thrown));
    }
  };
  const connection = await saying("ask for anything", async () =>
    finder.connect({ ...deps, access: await readAccess(hub), isTls: url.isTls, signal }),
  );
  return {
    shape: url.t,
    address: connection.address,
    call: (name, ...parts) =>
      saying(`run ${name}`, async () => plain(await connection.call([name, ...parts]))),
    [Symbol.asyncDispose]: async () => {
      connection.close(new HubFailure("other", "all questions were asked"));
      await connection.closed;
    },
  };
}

function plain(reply: Reply): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString("utf8");
  return Array.isArray(reply) ? (reply as readonly Reply[]).map(plain) : reply;
}
