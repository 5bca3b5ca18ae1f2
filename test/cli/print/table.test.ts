import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { type Column, table } from "../../../src/cli/print/table.ts";

const columns: readonly Column[] = [
  { title: "NAME", isElastic: true },
  { title: "N", align: "right" },
  { title: "WHY", isElastic: true },
];
const plain = { columns: 80, isColourful: false };

test("table() aligns columns and ends no line with spaces", () => {
  const text = table(
    columns,
    [
      ["a", "1", "x"],
      ["bbb", "22", ""],
    ],
    plain,
  );
  assert.equal(text, "NAME   N  WHY\na      1  x\nbbb   22\n");
});

for (const width of [40, 80, 160]) {
  test(`table() fits ${width} columns by wrapping, and leaves nothing out`, () => {
    const long = `${"n".repeat(50)}-${"m".repeat(49)}`;
    const rows = [
      [long, "1", "w".repeat(60)],
      ["short", "2", "why"],
    ];
    const text = table(columns, rows, { ...plain, columns: width });
    const lines = text.trimEnd().split("\n");
    for (const line of lines) assert.ok(line.length <= width, `${line.length}: ${line}`);
    assert.doesNotMatch(text, /…/);
    for (const [letter, count] of [
      ["n", 50],
      ["m", 49],
      ["w", 61],
    ] as const) {
      assert.equal(text.split(letter).length - 1, count, letter);
    }
  });
}

test("table() wraps sentences before it breaks a name", () => {
  const rows = [
    ["shop/recommendations", "1", "because the nearest region has none that is healthy"],
  ];
  const text = table(columns, rows, { ...plain, columns: 50 });
  assert.match(text, /^shop\/recommendations +1 {2}because/m);
  assert.ok(text.trimEnd().split("\n").length >= 3, text);
});

test("table() breaks a name after a separator, where it has to", () => {
  const rows = [["sidecar/shop/recommendations-6b7f9c/x", "1", ""]];
  const text = table([{ title: "NAME", isElastic: true }, { title: "N" }], rows, {
    ...plain,
    columns: 30,
  });
  assert.deepEqual(text.trimEnd().split("\n").slice(1), [
    "sidecar/shop/                1",
    "recommendations-6b7f9c/x",
  ]);
});

test("table() colours only when asked, and never counts colour as width", () => {
  const rows = [[{ text: "down", tone: "bad" as const }, "1", "x"]];
  const bare = table(columns, rows, plain);
  const painted = table(columns, rows, { ...plain, isColourful: true });
  assert.ok(painted.includes("\u001b[31mdown"));
  assert.equal(stripVTControlCharacters(bare), bare);
  assert.equal(stripVTControlCharacters(painted), bare);
});

test("table() lets no foreign text steer the terminal", () => {
  const text = table(columns, [["\u001b[2Jevil\nname", "1", "\u0007"]], plain);
  assert.equal(text.split("\n").length, 3);
  assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}/u);
  assert.match(text, /evil name/);
});

test("table() leaves optional columns out before it cuts anything, the last one first", () => {
  const wide: readonly Column[] = [
    { title: "NAME" },
    { title: "ONE", isOptional: true },
    { title: "TWO", isOptional: true },
    { title: "WHY", isElastic: true },
  ];
  const rows = [["name-of-it", "1111111111", "2222222222", "because"]];
  const headAt = (width: number): string =>
    table(wide, rows, { ...plain, columns: width })
      .split("\n")[0]
      ?.replaceAll(/ +/g, " ") ?? "";
  assert.equal(headAt(60), "NAME ONE TWO WHY");
  assert.equal(headAt(40), "NAME ONE WHY");
  assert.equal(headAt(20), "NAME WHY");
});
