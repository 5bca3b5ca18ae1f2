import assert from "node:assert/strict";
import { test } from "node:test";
import {
  errorField,
  type LoadRow,
  loadField,
  loadWidth,
  successRatioOf,
} from "../../../src/telemetry/load/fields.ts";
import {
  LoadBook,
  type LoadBookLimits,
  type LoadKey,
  type LoadSeries,
} from "../../../src/telemetry/load/load-book.ts";

const start = 100_000;
const cart: LoadKey = { service: "shop/cart", member: "west", zone: "gateway", by: "sidecar" };

function rowOf(values: { issued?: number; refused?: number; ok?: number }): LoadRow {
  const row = new Float64Array(loadWidth);
  row[loadField.issued] = values.issued ?? 0;
  row[loadField.ok] = values.ok ?? 0;
  row[errorField("refused")] = values.refused ?? 0;
  return row;
}

function openBook(limits: Partial<LoadBookLimits> = {}): LoadBook {
  const book = new LoadBook(limits);
  book.advance(start);
  return book;
}

function seriesIn(book: LoadBook, key: LoadKey = cart): LoadSeries {
  const series = book.series(key);
  assert.ok(series);
  return series;
}

test("a second is shown when the one after it has ended too", () => {
  const book = openBook();
  book.add(seriesIn(book), rowOf({ issued: 3 }), start);
  book.advance(start + 1);
  assert.deepEqual(book.spans({ seconds: 5 }), []);
  book.advance(start + 2);
  assert.deepEqual(
    book.spans({ seconds: 5 }).map(({ key, issued }) => [key, issued]),
    [[cart, [0, 0, 0, 0, 3]]],
  );
});

test("reports of one second add up, also when one of them comes a second late", () => {
  const book = openBook();
  const series = seriesIn(book);
  book.add(series, rowOf({ issued: 3, refused: 1 }), start);
  book.advance(start + 1);
  book.add(series, rowOf({ issued: 4 }), start);
  book.add(series, rowOf({ issued: 5 }), start + 1);
  book.advance(start + 3);
  const [span] = book.spans({ seconds: 3 });
  assert.deepEqual(span?.issued, [0, 7, 5]);
  assert.deepEqual(span?.failed, [0, 1, 0]);
  assert.equal(span?.sum[loadField.issued], 12);
});

test("what comes too late or too early counts for the nearest second that is open", () => {
  const book = openBook();
  book.add(seriesIn(book), rowOf({ issued: 1 }), start - 100);
  book.add(seriesIn(book), rowOf({ issued: 2 }), start + 100);
  book.advance(start + 2);
  assert.deepEqual(book.spans({ seconds: 2 })[0]?.issued, [1, 2]);
});

test("a series without traffic is shown for as long as something is open", () => {
  const book = openBook();
  const series = seriesIn(book);
  book.addActive(series, 2);
  book.advance(start + 2000);
  assert.equal(book.spans({ seconds: 5 })[0]?.sum[loadField.active], 2);
  book.addActive(series, -2);
  assert.deepEqual(book.spans({ seconds: 5 }), []);
  assert.equal(book.size().series, 0);
});

test("15 minutes are kept, and a series without traffic in them is forgotten", () => {
  const book = openBook();
  for (let second = start; second < start + 2000; second += 1) {
    book.advance(second);
    book.add(seriesIn(book), rowOf({ issued: 1 }), second);
  }
  const [span] = book.spans({ seconds: 900 });
  assert.equal(span?.sum[loadField.issued], 900);
  assert.equal(book.size().seconds, 900);
  book.advance(start + 2000 + 1000);
  assert.deepEqual(book.size(), { series: 0, bytes: 0, seconds: 0, refused: 0 });
});

test("an hour of sleep loses nothing that was counted before it", () => {
  const book = openBook();
  book.add(seriesIn(book), rowOf({ issued: 1 }), start);
  book.advance(start + 3600);
  book.add(seriesIn(book), rowOf({ issued: 2 }), start + 3600);
  book.advance(start + 3602);
  assert.deepEqual(book.spans({ seconds: 2 })[0]?.issued, [0, 2]);
  assert.equal(book.totals().get("west")?.[loadField.issued], 3);
});

test("memory has a bound: the oldest minutes go first, and totals go on", () => {
  const maxBytes = 200_000;
  const book = openBook({ maxBytes });
  const keys = Array.from({ length: 100 }, (_, index) => ({ ...cart, service: `shop/s${index}` }));
  for (let second = start; second < start + 900; second += 1) {
    book.advance(second);
    for (const key of keys) book.add(seriesIn(book, key), rowOf({ issued: 300, ok: 300 }), second);
    assert.ok(book.size().bytes <= maxBytes);
  }
  const { seconds } = book.size();
  assert.ok(seconds > 60 && seconds < 900, `${seconds} s are left`);
  assert.equal(book.spans({ seconds: 10, service: "shop/s7" })[0]?.sum[loadField.issued], 3000);
  assert.equal(book.totals().get("west")?.[loadField.issued], 900 * 100 * 300);
});

test("series() refuses what is beyond the number of series, and counts it", () => {
  const book = openBook({ maxSeries: 1 });
  seriesIn(book);
  assert.equal(book.series({ ...cart, zone: "other" }), undefined);
  assert.equal(book.size().refused, 1);
});

for (const [name, row, ratio] of [
  ["nothing", rowOf({}), undefined],
  ["ten begun and still open", rowOf({ issued: 10 }), 1],
  ["one of ten failed", rowOf({ issued: 10, ok: 3, refused: 1 }), 0.9],
  ["old ones end badly", rowOf({ refused: 5 }), 0],
] as const) {
  test(`successRatioOf() is ${ratio} when ${name}`, () => {
    assert.equal(successRatioOf(row), ratio);
  });
}

test("successRatioOf() does not count callers that left against the upstream", () => {
  const row = rowOf({ issued: 10, ok: 5 });
  row[errorField("aborted")] = 5;
  assert.equal(successRatioOf(row), 1);
});
