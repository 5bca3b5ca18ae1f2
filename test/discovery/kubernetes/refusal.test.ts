import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  isObjectAbsent,
  readRefusal,
  refusedError,
} from "../../../src/discovery/kubernetes/refusal.ts";

function statusOf(reason: string, message: string): string {
  return JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason, message });
}

suite("refusedError()", () => {
  const cases: readonly [status: number, body: string, code: string, says: RegExp][] = [
    [400, statusOf("BadRequest", "unknown field"), "MESH_KUBE_INVALID", /unknown field/],
    [401, statusOf("Unauthorized", "Unauthorized"), "MESH_KUBE_UNAUTHORIZED", /Unauthorized/],
    [403, statusOf("Forbidden", 'cannot list "pods"'), "MESH_KUBE_FORBIDDEN", /cannot list "pods"/],
    [404, statusOf("NotFound", '"a" not found'), "MESH_KUBE_ABSENT", /"a" not found/],
    [404, "404 page not found\n", "MESH_KUBE_ABSENT", /CustomResourceDefinition/],
    [409, statusOf("AlreadyExists", "exists"), "MESH_KUBE_CONFLICT", /exists/],
    [410, statusOf("Expired", "too old"), "MESH_KUBE_GONE", /too old/],
    [422, statusOf("Invalid", "spec.a: Required"), "MESH_KUBE_INVALID", /spec\.a/],
    [429, "Too many requests", "MESH_KUBE_UNREACHABLE", /Too many/],
    [500, statusOf("InternalError", "failed calling webhook"), "MESH_KUBE_UNREACHABLE", /webhook/],
    [502, "<html>\n  Bad Gateway</html>", "MESH_KUBE_UNREACHABLE", /<html> Bad/],
    [504, "", "MESH_KUBE_UNREACHABLE", /HTTP status 504/],
  ];
  for (const [status, body, code, message] of cases) {
    test(`${status} ${message.source} is ${code}`, () => {
      const error = refusedError(readRefusal(status, body), "get pods");
      assert.equal(error.code, code);
      assert.match(error.message, /^Cannot get pods: /);
      assert.match(error.message, message);
    });
  }

  test("what comes from outside stays one line of bounded length", () => {
    const { message } = refusedError(readRefusal(500, "x\n".repeat(100_000)), "get pods");
    assert.ok(message.length < 1100);
    assert.ok(!message.includes("\n"));
  });
});

test("isObjectAbsent() tells an object from a type that is not there", () => {
  assert.ok(isObjectAbsent(readRefusal(404, statusOf("NotFound", "no"))));
  assert.ok(!isObjectAbsent(readRefusal(404, "404 page not found")));
});
