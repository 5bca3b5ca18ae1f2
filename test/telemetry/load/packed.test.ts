import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { loadWidth } from "../../../src/telemetry/load/fields.ts";
import { eachRow, newPackedRows, packRow, trimPacked } from "../../../src/telemetry/load/packed.ts";

const rows = fc.array(
  fc.record({
    second: fc.integer({ min: 0, max: 59 }),
    values: fc.dictionary(
      fc.integer({ min: 0, max: loadWidth - 1 }).map(String),
      fc.oneof(fc.integer({ min: 1, max: 300 }), fc.maxSafeNat()),
    ),
  }),
  { maxLength: 60 },
);

test("eachRow() gives back what packRow() took, before and after trimPacked()", () => {
  fc.assert(
    fc.property(rows, (given) => {
      const packed = newPackedRows();
      let bytes = packed.bytes.length;
      const wanted = given.map(({ second, values }) => {
        const row = new Float64Array(loadWidth);
        for (const [field, value] of Object.entries(values)) row[Number(field)] = value;
        bytes += packRow(packed, second, row);
        return [second, [...row]];
      });
      assert.equal(packed.bytes.length, bytes);
      const look = (): unknown[] => {
        const seen: unknown[] = [];
        eachRow(packed, (second, row) => seen.push([second, [...row]]));
        return seen;
      };
      assert.deepEqual(look(), wanted);
      bytes -= trimPacked(packed);
      assert.equal(packed.bytes.length, bytes);
      assert.deepEqual(look(), wanted);
    }),
  );
});

test("packRow() takes about 20 bytes for a quiet second", () => {
  const row = new Float64Array(loadWidth);
  row.set([2, 2, 1, 900, 400]);
  row[16] = 2;
  row[42] = 1;
  const packed = newPackedRows();
  packRow(packed, 7, row);
  assert.ok(packed.used <= 20, `${packed.used} bytes`);
});
