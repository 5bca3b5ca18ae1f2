import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { captureRules } from "../../../src/app/capture/capture-words.ts";
import { applyScript, removeScript } from "../../../src/app/capture/nft-rules.ts";
import { MeshError } from "../../../src/mesh/errors.ts";

const nothing = {
  config: undefined,
  uids: undefined,
  gids: undefined,
  excludeInboundPorts: undefined,
  excludeOutboundPorts: undefined,
  excludeOutboundRanges: undefined,
};

function scriptFor(words: Partial<Record<keyof typeof nothing, string>>): string {
  const answer = captureRules({ ...nothing, ...words });
  assert.ok(answer.t === "ok");
  return applyScript(answer.rules);
}

suite("applyScript()", () => {
  test("replaces one table of its own in one transaction", (t) => {
    const file = join(import.meta.dirname, "rules.nft");
    const script = scriptFor({
      uids: "1337,998",
      gids: "1337",
      excludeInboundPorts: "9100, 22",
      excludeOutboundPorts: "6443",
      excludeOutboundRanges: "169.254.169.254/32,fd00:ec2::254",
    });
    t.assert.fileSnapshot(script, file, { serializers: [String] });
    assert.ok(script.startsWith(removeScript()));
  });

  test("names nobody where nobody is excluded", () => {
    assert.doesNotMatch(scriptFor({ uids: "" }), /skuid|skgid/);
    assert.match(scriptFor({}), /meta skuid \{ 1337 \} goto sidecar/);
  });
});

suite("captureRules() refuses", () => {
  for (const [what, words] of [
    ["a port that is none", { excludeInboundPorts: "0" }],
    ["a port in words", { excludeOutboundPorts: "http" }],
    ["an empty item", { excludeOutboundPorts: "80,,81" }],
    ["a user by name", { uids: "root" }],
    ["the id that means nobody", { gids: "4294967295" }],
    ["rules in place of a range", { excludeOutboundRanges: "10.0.0.0/8 accept" }],
    ["a range that is too long", { excludeOutboundRanges: "10.0.0.0/33" }],
  ] as const) {
    test(what, () => {
      const isUsage = (thrown: unknown): boolean =>
        thrown instanceof MeshError && thrown.code === "MESH_USAGE";
      assert.throws(() => captureRules({ ...nothing, ...words }), isUsage);
    });
  }
});
