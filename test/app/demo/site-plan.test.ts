import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { demoMembers } from "../../../src/app/demo/demo-members.ts";
import { loadsOf, planSite, withDraining } from "../../../src/app/demo/site-plan.ts";

const [east] = demoMembers(3);
assert.ok(east);
const read = (name: string): string =>
  readFileSync(`examples/shop/${east.example}/${name}`, "utf8");
const files = new Map(["services.yaml", "endpoints.yaml"].map((name) => [name, read(name)]));

function plan() {
  assert.ok(east);
  let port = 20_000;
  const takePort = (): number => {
    port += 1;
    return port;
  };
  return planSite(east, { dir: "demo", files, takePort, engine: "embedded", checkEveryMs: 1000 });
}

test("planSite() gives every workload of the example a port of its own", () => {
  const { workloads } = plan();
  const names = workloads.map(({ workload }) => workload).toSorted();
  assert.deepEqual(names, ["cart-1", "cart-2", "catalog-1", "checkout-1", "frontend-1"]);
  assert.equal(new Set(workloads.map(({ listen }) => listen.port)).size, workloads.length);
});

test("planSite() writes the ports into the endpoint files and leaves no address of the example", () => {
  const site = plan();
  const text = site.files.get("endpoints.yaml") ?? "";
  assert.ok(!/\b10\.\d+\.\d+\.\d+/.test(text));
  for (const { listen } of site.workloads) assert.ok(text.includes(`port: ${listen.port}`));
});

test("planSite() sends what an application calls through its own sidecar", () => {
  const checkout = plan().workloads.find(({ service }) => service === "checkout");
  assert.ok(checkout);
  const ports = checkout.sidecar.upstreams.map(({ listen }) => listen.port);
  const urls = Object.values(checkout.upstreams);
  assert.deepEqual(
    urls,
    ports.map((port) => `http://127.0.0.1:${port}/`),
  );
  assert.deepEqual(Object.keys(checkout.upstreams), ["cart", "inventory"]);
});

test("loadsOf() asks for the shown service and for the VM site's from the frontend", () => {
  const loads = loadsOf(plan(), "cart");
  assert.deepEqual(
    loads.map(({ service, host }) => [service, host]),
    [
      ["cart", "cart.shop.svc.cluster.local"],
      ["inventory", "inventory.shop.svc.cluster.local"],
    ],
  );
});

test("withDraining() marks all endpoints of one service and no other's", () => {
  const text = plan().files.get("endpoints.yaml") ?? "";
  const drained = withDraining(text, { service: "cart", isOn: true });
  assert.equal(drained.match(/terminating: true/g)?.length, 2);
  assert.equal(drained.match(/terminating: false/g)?.length, 3);
  const back = withDraining(drained, { service: "cart", isOn: false });
  assert.equal(back.match(/terminating: true/g), null);
});
