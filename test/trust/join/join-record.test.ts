import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseMemberName, parseNetworkName, parseServiceId } from "../../../src/mesh/ids.ts";
import type { JoinTokenRecord, JoinTokenUse } from "../../../src/trust/join/join-grant.ts";
import {
  formatRecord,
  formatUse,
  parseRecord,
  parseUse,
} from "../../../src/trust/join/join-record.ts";
import { mutated, seededRandom } from "../mutations.ts";

const rounds = Number(process.env["ISTHMUS_FUZZ"] ?? 5000);
const base = {
  id: "0123456789abcdef",
  secretSha256: "ab".repeat(32),
  createdAtMs: 1_795_000_000_000,
  expiresAtMs: 1_795_003_600_000,
  uses: 1,
  from: ["10.0.0.0/8", "fd00::/8"],
};
const vm: JoinTokenRecord = {
  ...base,
  grant: { t: "vm", group: parseServiceId("shop/carts"), services: [parseServiceId("shop/cart")] },
};
const member: JoinTokenRecord = {
  ...base,
  grant: {
    t: "member",
    claims: {
      name: parseMemberName("west"),
      cloud: "azure",
      region: "westeurope",
      network: parseNetworkName("west"),
      gatewayRanges: ["10.1.0.0/16"],
      mayExport: ["shop", "*"],
    },
  },
};
const use: JoinTokenUse = { atMs: 1, address: "10.0.0.7", keySha256: "cd".repeat(32) };

describe("the files of a token", () => {
  test("are read as they were written", () => {
    for (const record of [vm, member]) assert.deepEqual(parseRecord(formatRecord(record)), record);
    assert.deepEqual(parseUse(formatUse(use)), use);
  });

  const changes: Readonly<Record<string, object>> = {
    "no uses": { uses: 0 },
    "half a use": { uses: 0.5 },
    "an id that is a path": { id: "../../../../" },
    "a hash that is too short": { secretSha256: "ab" },
    "a range that is none": { from: ["anywhere"] },
    "a grant of neither kind": { grant: { t: "operator", name: "root" } },
    "a group that is none": { grant: { t: "vm", group: "carts", services: [] } },
    "a member that is none": { grant: { t: "member", claims: { name: "../west" } } },
    "no end": { expiresAtMs: null },
  };
  for (const [what, change] of Object.entries(changes)) {
    test(`are refused with ${what}`, () => {
      const text = JSON.stringify({ schema: 1, ...vm, ...change });
      assert.throws(() => parseRecord(text), isNamed);
    });
  }

  test("give no more than was written, however they are damaged", () => {
    for (const [seed, record] of [vm, member].entries()) {
      const random = seededRandom(seed + 21);
      for (let round = 0; round < rounds; round += 1) {
        try {
          const read = parseRecord(mutated(Buffer.from(formatRecord(record)), random).toString());
          assert.ok(read.grant.t === record.grant.t && read.uses >= 1);
        } catch (thrown) {
          if (thrown instanceof assert.AssertionError || !isNamed(thrown)) throw thrown;
        }
      }
    }
  });
});

function isNamed(thrown: unknown): boolean {
  return thrown instanceof MeshError || thrown instanceof RangeError;
}
