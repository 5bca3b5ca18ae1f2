import assert from "node:assert/strict";
import { test } from "node:test";
import type { GatewayConfig } from "../../../src/app/config/config.ts";
import { engineRoutes } from "../../../src/app/launcher/engine-routes.ts";
import { createTelemetry } from "../../../src/telemetry/registry.ts";
import { local } from "../support/test-mesh.ts";

/** Paths that a gateway's admin port serves when it listens there. */
function pathsAt(host: string): readonly string[] {
  const config: GatewayConfig = {
    agent: local(1),
    identity: { dir: "/nowhere" },
    engine: "envoy",
    workers: 1,
    admin: { host, port: 15_021 },
    logLevel: "silent",
    listen: local(0),
  };
  const unasked = (): never => assert.fail("only asked for when a route is");
  const routes = engineRoutes({
    config,
    engine: { isReady: () => true, report: unasked, ownMetrics: unasked },
    identity: { current: unasked, onChange: unasked },
    node: { id: "gateway/isthmus/a", metadata: {} },
    telemetry: createTelemetry("engine"),
    isLeaving: () => false,
  });
  return routes.map(({ path }) => path);
}

const open = ["/healthz", "/readyz", "/metrics", "/metrics/envoy"];

for (const host of ["127.0.0.1", "::1", "localhost"]) {
  test(`an admin port at ${host} tells what the agent told the proxy`, () => {
    assert.deepEqual(pathsAt(host), [...open, "/config"]);
  });
}

for (const host of ["0.0.0.0", "::", "10.0.0.7", "gateway.example"]) {
  test(`an admin port at ${host} serves probes and metrics alone`, () => {
    assert.deepEqual(pathsAt(host), open);
  });
}
