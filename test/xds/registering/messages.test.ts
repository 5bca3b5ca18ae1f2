import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import type { GroupDefinition } from "../../../src/mesh/workload-group.ts";
import { definitionBytes, definitionIn } from "../../../src/xds/registering/definition.ts";
import {
  decodeRegisterRequest,
  encodeRegisterRequest,
  maxRegisterBytes,
  type RegisterRequest,
  type Registration,
} from "../../../src/xds/registering/requests.ts";
import {
  decodeDescribeRequest,
  decodeRegisterResponse,
  encodeDescribeRequest,
  encodeRegisterResponse,
} from "../../../src/xds/registering/responses.ts";
import { group } from "../../discovery/registration/some-group.ts";

const registration: Registration = {
  group: "shop/carts",
  instanceSecret: new Uint8Array(32).fill(7),
  name: "vm-1",
  address: "2001:db8::7",
  zone: "rack-1",
  version: "1.0.0",
  health: { health: "unhealthy", reason: "http 503" },
};
const requests: readonly RegisterRequest[] = [
  { t: "registration", registration },
  { t: "health", change: { health: "healthy", reason: "" } },
  { t: "health", change: { health: "unknown", reason: "" } },
  { t: "leaving", waitMs: 10_000 },
];
const { generation: _generation, labels: _labels, ...told } = group;
const definition: GroupDefinition = { ...told, services: [parseServiceId("shop/cart")] };
const rules = { periodMs: 10_000, timeoutMs: 1000, failureThreshold: 3, successThreshold: 1 };

suite("messages of a registration", () => {
  test("come back as they were written", () => {
    for (const value of requests) {
      const read = decodeRegisterRequest(encodeRegisterRequest(value));
      assert.ok(read.t === "ok");
      if (read.value.t !== "registration") assert.deepEqual(read.value, value);
      else {
        const { instanceSecret, ...rest } = read.value.registration;
        const { instanceSecret: secret, ...wanted } = registration;
        assert.deepEqual(rest, wanted);
        assert.equal(Buffer.compare(instanceSecret, secret), 0);
      }
    }
    const left = { t: "left", missing: ["sidecar/shop/a"] } as const;
    assert.deepEqual(decodeRegisterResponse(encodeRegisterResponse(left)), left);
    assert.deepEqual(decodeDescribeRequest(encodeDescribeRequest({ group: "a/b" })), {
      group: "a/b",
    });
  });

  for (const probe of [
    { t: "http", port: 8080, path: "/healthz" },
    { t: "tcp", port: 5432 },
    { t: "grpc", port: 9090 },
    { t: "grpc", port: 9090, service: "shop.Cart" },
    { t: "exec", command: ["/usr/bin/check", "-q", ""] },
  ] as const) {
    test(`a definition with the check ${JSON.stringify(probe)} comes back`, () => {
      const whole: GroupDefinition = {
        ...definition,
        ports: [...definition.ports, { name: "dns", port: 53, protocol: "UDP" }],
        upstreams: [{ service: parseServiceId("shop/stock"), port: 80 }],
        healthCheck: { probe, ...rules },
        removeAfterMs: 30 * 86_400_000,
      };
      assert.deepEqual(definitionIn(definitionBytes(whole)), whole);
    });
  }

  test("are refused when they are longer than any that is sound", () => {
    const long = encodeRegisterRequest({
      t: "registration",
      registration: { ...registration, name: "n".repeat(254) },
    });
    assert.equal(decodeRegisterRequest(long).t, "refused");
    assert.equal(decodeRegisterRequest(new Uint8Array(maxRegisterBytes + 1)).t, "refused");
    assert.equal(decodeRegisterRequest(new Uint8Array()).t, "refused");
    const secret = { ...registration, instanceSecret: new Uint8Array(65) };
    const request = encodeRegisterRequest({ t: "registration", registration: secret });
    assert.equal(decodeRegisterRequest(request).t, "refused");
  });

  test("a reason of any length and in any script fits", () => {
    for (const reason of ["x".repeat(5000), "äöü€".repeat(500), "\u{1f600}".repeat(300)]) {
      const read = decodeRegisterRequest(
        encodeRegisterRequest({ t: "health", change: { health: "unhealthy", reason } }),
      );
      assert.ok(read.t === "ok" && read.value.t === "health");
      assert.ok(reason.startsWith(read.value.change.reason.slice(0, 50)));
      assert.ok(Buffer.byteLength(read.value.change.reason) <= 512);
    }
  });

  test("never throw at the agent, whatever was sent", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const { t } = decodeRegisterRequest(bytes);
        assert.ok(t === "ok" || t === "refused");
        assert.equal(typeof decodeDescribeRequest(bytes).group, "string");
      }),
      { numRuns: 2000 },
    );
  });

  test("a definition without a group, or with a port that is none, is no definition", () => {
    assert.throws(() => definitionIn(new Uint8Array()), RangeError);
    const wrong = {
      ...definition,
      ports: [{ name: "http", port: 70_000, protocol: "TCP" as const }],
    };
    assert.throws(() => definitionIn(definitionBytes(wrong)), RangeError);
  });
});
