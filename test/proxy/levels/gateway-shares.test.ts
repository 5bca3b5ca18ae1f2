import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { gatewayShares } from "../../../src/proxy/levels/gateway-shares.ts";

const zone = (name: string, healthy: number): { zone: string; healthy: number } => ({
  zone: name,
  healthy,
});

suite("gatewayShares", () => {
  const cases: readonly (readonly [
    string,
    readonly { readonly zone?: string }[],
    readonly { readonly zone: string; readonly healthy: number }[],
    readonly number[],
  ])[] = [
    ["without zones all alike", [{}, {}], [zone("a", 3), zone("b", 1)], [0.5, 0.5]],
    [
      "by the endpoints of its zone",
      [{ zone: "a" }, { zone: "b" }],
      [zone("a", 3), zone("b", 1)],
      [0.75, 0.25],
    ],
    [
      "siblings of one zone share it",
      [{ zone: "a" }, { zone: "a" }, { zone: "b" }],
      [zone("a", 2), zone("b", 2)],
      [0.25, 0.25, 0.5],
    ],
    [
      "a zone without a gateway goes to all",
      [{ zone: "a" }, { zone: "b" }],
      [zone("a", 1), zone("b", 1), zone("c", 2)],
      [0.5, 0.5],
    ],
    [
      "one without a zone takes what no zone's own takes",
      [{ zone: "a" }, {}],
      [zone("a", 3), zone("b", 1)],
      [0.875, 0.125],
    ],
    [
      "a zone that is all dead gets nothing",
      [{ zone: "a" }, { zone: "b" }],
      [zone("a", 0), zone("b", 4)],
      [0, 1],
    ],
    [
      "nobody healthy anywhere: all alike",
      [{ zone: "a" }, { zone: "b" }],
      [zone("a", 0)],
      [0.5, 0.5],
    ],
  ];
  for (const [what, gateways, zones, shares] of cases) {
    test(what, () => assert.deepEqual(gatewayShares(gateways, zones), shares));
  }

  test("shares always add up to one", () => {
    const name = fc.constantFrom("a", "b", "c");
    const gateway = fc.oneof(
      fc.constant({}),
      name.map((one) => ({ zone: one })),
    );
    const counts = fc.uniqueArray(fc.record({ zone: name, healthy: fc.nat(50) }), {
      selector: (one) => one.zone,
    });
    fc.assert(
      fc.property(fc.array(gateway, { minLength: 1, maxLength: 8 }), counts, (gateways, zones) => {
        const sum = gatewayShares(gateways, zones).reduce((total, share) => total + share, 0);
        assert.ok(Math.abs(sum - 1) < 1e-9, String(sum));
      }),
    );
  });
});
