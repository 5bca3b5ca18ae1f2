import { dialLocal } from "../dial.ts";
import type { HttpRoute } from "../http-server.ts";

// A kubelet waits a second unless told otherwise; here it is a way inside one machine.
const timeoutMs = 900;

/**
 * `/probe/tcp/PORT` for each port: whether the application takes connections there. Only those that the
 * configuration names: the admin port is no way to look around in a pod. Loopback goes past the sidecar.
 */
export function probeRoutes(ports: readonly number[] = []): readonly HttpRoute[] {
  return ports.map((port) => ({
    path: `/probe/tcp/${port}`,
    answer: async () => {
      const door = await dialLocal(port, AbortSignal.timeout(timeoutMs));
      return door.t === "open"
        ? { t: "text", body: "ok\n" }
        : { t: "text", body: `${door.reason}\n`, status: 503 };
    },
  }));
}
