import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { registeredEndpoints } from "../../../src/discovery/registration/registered-endpoints.ts";
import { createSelection, targetPorts } from "../../../src/discovery/registration/selection.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import type { ServicePort, WorkloadSelector } from "../../../src/mesh/service.ts";
import { arrivalOf, group, groupId } from "./some-group.ts";

const cart = parseServiceId("shop/cart");
const http: ServicePort = { name: "http", port: 80, protocol: "TCP" };

function selector(labels: Record<string, string>): WorkloadSelector {
  return { labels, targets: {} };
}

suite("groups behind services", () => {
  const cases: readonly (readonly [Record<string, string>, boolean])[] = [
    [{ app: "cart" }, true],
    [{ app: "cart", tier: "vm" }, true],
    [{ app: "cart", tier: "vm", more: "x" }, false],
    [{ app: "billing" }, false],
    [{}, false],
    [JSON.parse('{"__proto__":"x"}') as Record<string, string>, false],
    [{ constructor: "x" }, false],
  ];
  for (const [labels, isSelected] of cases) {
    test(`${JSON.stringify(labels)} ${isSelected ? "selects" : "does not select"} the group`, () => {
      const selection = createSelection();
      selection.setGroups([group]);
      selection.setService(cart, selector(labels));
      assert.equal(selection.groupsOf(cart).length, isSelected ? 1 : 0);
      assert.deepEqual(selection.servicesOf(group.id), isSelected ? [cart] : []);
    });
  }

  test("no service of another namespace does", () => {
    const selection = createSelection();
    selection.setGroups([group]);
    selection.setService(parseServiceId("bank/cart"), selector({ app: "cart" }));
    assert.deepEqual(selection.servicesOf(group.id), []);
  });

  test("setGroups() names the services that it makes a difference for", () => {
    const selection = createSelection();
    selection.setService(cart, selector({ app: "cart" }));
    assert.deepEqual([...selection.setGroups([group])], [cart]);
    assert.deepEqual([...selection.setGroups([{ ...group }])], [], "the same again");
    const moved = { ...group, labels: { app: "other" } };
    assert.deepEqual([...selection.setGroups([moved])], [cart], "it loses it");
    assert.deepEqual(
      [...selection.setGroups([moved, { ...group, id: groupId("shop/more") }])],
      [cart],
    );
    assert.deepEqual([...selection.setGroups([])], [cart]);
  });

  test("a service that is gone selects nothing", () => {
    const selection = createSelection();
    selection.setGroups([group]);
    selection.setService(cart, selector({ app: "cart" }));
    selection.setService(cart, undefined);
    assert.deepEqual(selection.servicesOf(group.id), []);
  });
});

suite("targetPorts()", () => {
  const ports = [
    { name: "http", port: 8080, protocol: "TCP" },
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "metrics", port: 9090, protocol: "TCP" },
  ] as const;
  const cases: readonly (readonly [
    string,
    ServicePort,
    string | number | undefined,
    number | undefined,
  ])[] = [
    ["its targetPort's name", http, "metrics", 9090],
    ["its targetPort's number", http, 9090, 9090],
    ["its own name, where pods listen elsewhere", http, 5000, 8080],
    ["its own name", http, undefined, 8080],
    ["its own number", { name: "", port: 9090, protocol: "TCP" }, undefined, 9090],
    [
      "nothing of another protocol",
      { name: "dns", port: 53, protocol: "TCP" },
      undefined,
      undefined,
    ],
    [
      "nothing that the group lacks",
      { name: "admin", port: 1, protocol: "TCP" },
      "admin",
      undefined,
    ],
  ];
  for (const [what, port, target, wanted] of cases) {
    test(`a port leads to ${what}`, () => {
      const targets = target === undefined ? {} : { [port.name]: target };
      const found = targetPorts({ ports: [port], selects: { labels: {}, targets } }, { ports });
      assert.equal(found[port.name], wanted);
    });
  }
});

suite("registeredEndpoints()", () => {
  const service = { ports: [http], selects: selector({ app: "cart" }) };
  const live = (
    n: number,
    more: object = {},
  ): Parameters<typeof registeredEndpoints>[1]["entries"] => [
    {
      ...arrivalOf(n),
      stated: "healthy",
      stream: { t: "live" },
      sequence: 1,
      change: 0,
      holder: "a",
      ...more,
    },
  ];

  test("name workload, ports, zone and account, in one order", () => {
    const entries = [...live(2), ...live(1, { zone: "rack-9" })];
    assert.deepEqual(registeredEndpoints(service, { group, entries, nowMs: 0 }), [
      {
        workload: "vm-1",
        address: "10.0.0.1",
        ports: { http: 8080 },
        zone: "rack-9",
        health: "healthy",
        serviceAccount: "cart",
      },
      {
        workload: "vm-2",
        address: "10.0.0.2",
        ports: { http: 8080 },
        zone: "rack-1",
        health: "healthy",
        serviceAccount: "cart",
      },
    ]);
  });

  test("an address that its stream does not come from leads nobody who dials it there", () => {
    const [endpoint] = registeredEndpoints(service, {
      group,
      entries: live(1, { isOwnAddress: false }),
      nowMs: 0,
    });
    assert.equal(endpoint?.isUnowned, true);
  });

  test("one that registered under an account that the group had before is none", () => {
    const entries = live(1, { serviceAccount: "old" });
    assert.deepEqual(registeredEndpoints(service, { group, entries, nowMs: 0 }), []);
  });
});
