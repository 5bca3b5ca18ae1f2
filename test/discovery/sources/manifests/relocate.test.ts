import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { EndpointPort } from "../../../../src/discovery/sources/manifests/relocate.ts";
import { relocate } from "../../../../src/discovery/sources/manifests/relocate.ts";
import { documents, readFolder, serviceYaml, sliceYaml } from "../support/manifests.ts";

const yaml = documents(
  `# The shop's cart\n${serviceYaml("cart")}`,
  sliceYaml("cart", "10.0.0.1", "10.0.0.2").replace(
    "  labels:",
    "  annotations: { isthmus.dev/probe: http:8080/healthz, isthmus.dev/service-account: cart }\n  labels:",
  ),
);

/** A port of its own on 127.0.0.1 for each address. */
function toLoopback(at: EndpointPort): { address: string; port: number } {
  return { address: "127.0.0.1", port: 20_000 + Number(at.address.split(".")[3]) };
}

test("relocate() moves each endpoint with its port and its probe, and keeps identities and health", () => {
  const { services, findings } = readFolder({ "a.yaml": relocate(yaml, toLoopback) });
  assert.deepEqual(findings, []);
  const [before] = readFolder({ "a.yaml": yaml }).services;
  const moved = services[0]?.endpoints.map(({ address, ports, probe }) => ({
    address,
    ports,
    probe,
  }));
  assert.deepEqual(
    moved,
    [20_001, 20_002].map((port) => ({
      address: "127.0.0.1",
      ports: { http: port },
      probe: { t: "http", port, path: "/healthz" },
    })),
  );
  assert.deepEqual(
    services[0]?.endpoints.map(({ serviceAccount, health }) => ({ serviceAccount, health })),
    before?.endpoints.map(({ serviceAccount, health }) => ({ serviceAccount, health })),
  );
});

test("relocate() keeps one slice for endpoints that have the same ports afterwards", () => {
  const text = relocate(yaml, ({ address, port }) => ({
    address: address.replace("10.", "11."),
    port,
  }));
  assert.equal(text.match(/kind: EndpointSlice/g)?.length, 1);
  assert.deepEqual(
    readFolder({ "a.yaml": text }).services[0]?.endpoints.map(({ address }) => address),
    ["11.0.0.1", "11.0.0.2"],
  );
});

test("relocate() leaves other objects and comments as they are", () => {
  const text = relocate(yaml, toLoopback);
  assert.ok(text.startsWith(`# The shop's cart\n${serviceYaml("cart")}`));
});

test("relocate() asks for each port of each endpoint by service and workload", () => {
  const asked: EndpointPort[] = [];
  relocate(
    readFileSync(join(import.meta.dirname, "../golden", "dual-stack.yaml"), "utf8"),
    (at) => {
      asked.push(at);
      return at;
    },
  );
  assert.deepEqual(
    asked.map(({ service, workload, port }) => `${service} ${workload} ${port}`),
    [
      "shop/cart cart-1 8080",
      "shop/cart cart-1 9090",
      "shop/cart cart-1 8080",
      "shop/cart cart-2 8080",
    ],
  );
});

test("relocate() changes the family of a slice with its addresses", () => {
  const text = relocate(yaml, ({ address, port }) => ({
    address: address.replace("10.0.0.", "fd00::"),
    port,
  }));
  assert.deepEqual(
    readFolder({ "a.yaml": text }).services[0]?.endpoints.map(({ address }) => address),
    ["fd00::1", "fd00::2"],
  );
});
