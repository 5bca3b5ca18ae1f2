import { once } from "node:events";
import { connect } from "node:net";
import { reasonOf } from "../../mesh/errors.ts";
import type { HttpRoute } from "../http-server.ts";

// A kubelet waits a second unless told otherwise; here it is a way inside one machine.
const timeoutMs = 900;

/**
 * `/probe/tcp/PORT` for each port: whether the application takes connections there. Only those that the
 * configuration names: the admin port is no way to look around in a pod.
 */
export function probeRoutes(ports: readonly number[] = []): readonly HttpRoute[] {
  return ports.map((port) => ({
    path: `/probe/tcp/${port}`,
    answer: async () => {
      const refusal = await dial(port);
      return refusal === undefined
        ? { t: "text", body: "ok\n" }
        : { t: "text", body: `${refusal}\n`, status: 503 };
    },
  }));
}

/** Undefined: it was taken. Loopback goes past the sidecar. */
async function dial(port: number): Promise<string | undefined> {
  const socket = connect({ host: "localhost", port, autoSelectFamily: true });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(timeoutMs) });
    return undefined;
  } catch (thrown) {
    return `port ${port} takes no connection: ${reasonOf(thrown)}`;
  } finally {
    socket.destroy();
  }
}
