import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { GatewayHost, RemoteExport } from "../../../src/discovery/mesh-service.ts";
import { levelsFor } from "../../../src/proxy/levels/levels.ts";
import { hostsOf } from "../../../src/proxy/levels/plan.ts";
import { http, remoteExport, viewer } from "../made.ts";

const gateway = (number: number, more: Partial<GatewayHost> = {}): GatewayHost => ({
  address: `203.0.113.${number}`,
  port: 15_443,
  isAlive: true,
  ...more,
});

/** `number health weight` of each gateway that a sidecar is told of. */
function told(gateways: readonly GatewayHost[], more: Partial<RemoteExport> = {}): string[] {
  const zones = [{ zone: "a", healthy: 6, total: 6 }];
  const remotes = [remoteExport("west", { zones, gateways, ...more })];
  return levelsFor({ port: http, remotes }, viewer)
    .flatMap(hostsOf)
    .filter(({ via }) => via.t === "gateway")
    .map(({ address, health, weight }) => `${address.split(".")[3]} ${health} ${weight}`);
}

suite("gateways of another member", () => {
  test("share what its endpoints weigh, the living ones only", () => {
    assert.deepEqual(told([gateway(1), gateway(2), gateway(3, { isAlive: false })]), [
      "1 healthy 300",
      "2 healthy 300",
    ]);
  });

  test("are UNHEALTHY when all are dead and others serve", () => {
    const dead = [gateway(1, { isAlive: false }), gateway(2, { isAlive: false })];
    const spare = remoteExport("spare", { zones: [{ zone: "a", healthy: 1, total: 1 }] });
    const remotes = [remoteExport("west", { gateways: dead, isUsable: false }), spare];
    const healths = levelsFor({ port: http, remotes }, viewer)
      .flatMap(hostsOf)
      .filter(({ address }) => address !== spare.gateways[0]?.address)
      .map(({ health }) => health);
    assert.deepEqual(healths, ["unhealthy", "unhealthy"]);
  });

  test("get nothing while they drain and a sibling serves", () => {
    assert.deepEqual(told([gateway(1, { isDraining: true }), gateway(2)]), ["2 healthy 600"]);
  });

  test("a draining one is no worse than a dead one", () => {
    const gateways = [gateway(1, { isDraining: true }), gateway(2, { isAlive: false })];
    const spare = remoteExport("spare");
    const remotes = [remoteExport("west", { gateways }), spare];
    const hosts = levelsFor({ port: http, remotes }, viewer).flatMap(hostsOf);
    const first = hosts.find(({ address }) => address === "203.0.113.1");
    assert.equal(first?.health, "draining");
    assert.ok(!hosts.some(({ address }) => address === "203.0.113.2"));
  });

  test("all draining and nobody else: they serve to the end", () => {
    const draining = [gateway(1, { isDraining: true }), gateway(2, { isDraining: true })];
    assert.deepEqual(told(draining), ["1 healthy 300", "2 healthy 300"]);
  });

  test("weigh what is healthy in their zones", () => {
    const zones = [
      { zone: "a", healthy: 6, total: 6 },
      { zone: "b", healthy: 2, total: 4 },
    ];
    const gateways = [gateway(1, { zone: "a" }), gateway(2, { zone: "b" })];
    assert.deepEqual(told(gateways, { zones }), ["1 healthy 600", "2 healthy 200"]);
    const withoutB = [gateway(1, { zone: "a" }), gateway(2, { zone: "b", isAlive: false })];
    assert.deepEqual(told(withoutB, { zones }), ["1 healthy 800"]);
  });
});
