import assert from "node:assert/strict";
import { test } from "node:test";
import { readHosts } from "../../../../../src/app/launcher/envoy/load/admin-text.ts";

const cluster = "outbound|80||cart.shop.svc.clusterset.local";

test("readHosts() takes no zone for a count, whatever its member calls it", () => {
  const text = [
    `${cluster}::default_priority::max_connections::10000`,
    `${cluster}::added_via_api::true`,
    `${cluster}::10.0.0.1:80::zone::west/a::rq_error::999`,
    `${cluster}::10.0.0.1:80::rq_error::1`,
    `${cluster}::[fd00::1]:80::zone::west/b`,
    `${cluster}::[fd00::1]:80::rq_error::2`,
  ].join("\n");
  const hosts = readHosts(text).get(cluster) ?? [];
  assert.deepEqual(
    hosts.map(({ address, zone, counts }) => [address, zone, counts.rqError]),
    [
      ["10.0.0.1:80", "west/a::rq_error::999", 1],
      ["[fd00::1]:80", "west/b", 2],
    ],
  );
});
