import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CommonContents, CommonMap } from "../../src/xds/common-map.ts";

const names = Array.from({ length: 200 }, (_, index) => `name-${index}`);

function filled(value: string): CommonMap {
  const map = new CommonMap();
  for (const name of names) map.set(name, value);
  return map;
}

test("a CommonMap answers as a Map does, whenever it looks for others with the same content", () => {
  const step = fc.oneof(
    fc.record({ t: fc.constant("set" as const), at: fc.nat(199), value: fc.nat(2) }),
    fc.record({ t: fc.constant("delete" as const), at: fc.nat(199) }),
    fc.record({ t: fc.constant("fill" as const), value: fc.nat(2) }),
    fc.record({ t: fc.constant("settle" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const contents = new CommonContents();
      // Others share from the start, so that what this one does must not reach them.
      const other = filled("0");
      other.settle(contents);
      const map = new CommonMap();
      const model = new Map<string, string>();
      for (const one of steps) {
        if (one.t === "settle") map.settle(contents);
        else if (one.t === "delete") {
          const name = names[one.at] ?? "";
          assert.equal(map.delete(name), model.delete(name));
        } else {
          for (const name of one.t === "fill" ? names : [names[one.at] ?? ""]) {
            map.set(name, String(one.value));
            model.set(name, String(one.value));
          }
        }
        assert.equal(map.size, model.size);
        assert.deepEqual(new Map(map.entries()), model);
        for (const name of names) assert.equal(map.get(name), model.get(name));
      }
      assert.deepEqual(new Map(other.entries()), new Map(names.map((name) => [name, "0"])));
    }),
    { numRuns: 200 },
  );
});

test("CommonContents gives streams with equal content one map", () => {
  const contents = new CommonContents();
  const same = contents.share(filled("1"));
  const again = contents.share(filled("1"));
  assert.equal(again.base, same.base);
  assert.equal(again.own.size, 0);
});

test("CommonContents gives streams that differ in a few names one map and each its own differences", () => {
  const contents = new CommonContents();
  const first = filled("1");
  first.set("own-a", "1");
  const different = filled("1");
  different.set("own-b", "1");
  different.set("name-199", "2");
  different.delete("name-0");
  const { base } = contents.share(first);
  const shared = contents.share(different);
  assert.equal(shared.base, base);
  const differing = { "own-a": null, "own-b": "1", "name-0": null, "name-199": "2" };
  assert.deepEqual(Object.fromEntries(shared.own), differing);
  assert.equal(base.get("name-199"), "1");
});

test("CommonContents keeps a content that differs in much from all others by itself", () => {
  const contents = new CommonContents();
  const { base } = contents.share(filled("1"));
  const other = contents.share(filled("2"));
  assert.notEqual(other.base, base);
  assert.equal(other.base.get("name-0"), "2");
  const fewer = filled("1");
  for (const name of names.slice(60)) fewer.delete(name);
  assert.notEqual(contents.share(fewer).base, base);
});
