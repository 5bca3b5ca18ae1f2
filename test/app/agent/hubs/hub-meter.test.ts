import assert from "node:assert/strict";
import { test } from "node:test";
import { hubMeter } from "../../../../src/app/agent/hubs/hub-meter.ts";
import { openRedisStore } from "../../../../src/discovery/io/catalog/redis/redis-store.ts";
import { createTelemetry } from "../../../../src/telemetry/registry.ts";
import { east, eventually, noSignal } from "../../../discovery/io/catalog/redis/made-writes.ts";
import { storeDeps } from "../../../discovery/io/catalog/redis/store-deps.ts";
import { openStandalone } from "../../../support/redis/topologies.ts";

test("hubMeter() shows a hub from the start, its calls, its connections and why they were lost", async () => {
  const telemetry = createTelemetry("agent");
  const meter = hubMeter(telemetry, ["standalone"]);
  assert.match(await telemetry.render(), /isthmus_hub_connections\{hub="standalone"\} 0/);
  await using shape = await openStandalone();
  await using store = openRedisStore(shape.hub, { ...storeDeps(), meter });
  await store.readHeads([east], { signal: noSignal });
  await eventually(async () => {
    const text = await telemetry.render();
    assert.match(text, /isthmus_hub_connections\{hub="standalone"\} 2/);
    assert.match(text, /isthmus_hub_call_seconds_count\{hub="standalone",call="heads"\} 1/);
  });
  await shape.servers[0]?.kill();
  await eventually(async () => {
    const text = await telemetry.render();
    assert.match(text, /isthmus_hub_connections\{hub="standalone"\} 0/);
    assert.match(text, /failures_total\{hub="standalone",kind="unreachable"\} [1-9]/);
  });
});
