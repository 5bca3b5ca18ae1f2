import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { after, before, describe, test } from "node:test";
import type { LoadAnswer, LoadRowAnswer } from "../../../src/app/api-model.ts";
import { main } from "../../../src/cli/main.ts";
import { sparkline } from "../../../src/cli/print/sparkline.ts";
import { topPage } from "../../../src/cli/print/top-page.ts";
import { run } from "../fake-terminal.ts";

const none: readonly number[] = Array.from({ length: 60 }, () => 0);

function rowOf(fields: Partial<LoadRowAnswer>): LoadRowAnswer {
  return {
    service: "shop/cart",
    member: "west",
    zone: "gateway",
    by: "sidecar",
    begunPerSecond: 12.5,
    successRatio: 1,
    errors: {},
    connect: { p50Ms: 1.2, p99Ms: 48 },
    firstByte: { p50Ms: 0.8, p99Ms: 9.5 },
    active: 3,
    receivedBytesPerSecond: 2_500_000,
    sentBytesPerSecond: 0,
    begun: [...none.slice(1), 10],
    failed: none,
    ...fields,
  };
}

function answerOf(rows: readonly LoadRowAnswer[]): LoadAnswer {
  return { member: "east", seconds: 10, historySeconds: 900, reporters: 2, rows };
}

const failing = rowOf({
  member: "east",
  zone: "a",
  begunPerSecond: 40,
  successRatio: 0.9999,
  errors: { refused: 7, aborted: 12_345 },
});
const lost = rowOf({
  member: "",
  zone: "",
  begunPerSecond: 0,
  successRatio: 0,
  errors: { "no-host": 5 },
  connect: undefined,
  firstByte: undefined,
  active: 0,
  receivedBytesPerSecond: 0,
});
const answer = answerOf([
  rowOf({}),
  failing,
  lost,
  rowOf({ service: "shop/a", by: "gateway", member: "east", zone: "a" }),
]);

for (const columns of [72, 80, 110, 160]) {
  test(`topPage() fits ${columns} columns and shows what failed`, () => {
    const lines = topPage(answer, { columns, isColourful: false }).split("\n");
    for (const line of lines.slice(1)) assert.ok(line.length <= columns, `${line.length}: ${line}`);
    const text = lines.join("\n");
    for (const part of ["shop/cart", "99.9 %", "7 refu", "nobody", "5 no-"]) {
      assert.ok(text.includes(part), `${part} is missing:\n${text}`);
    }
  });
}

test("topPage() shows the busiest locality first, each service once, and never rounds up to 100 %", () => {
  const lines = topPage(answer, { columns: 160, isColourful: false }).split("\n");
  assert.deepEqual(
    lines.slice(2, 6).map((line) => line.slice(0, 40).trim().split(/ {2,}/)),
    [
      ["shop/cart", "east/a", "40", "99.9 %"],
      ["west gateways", "13", "100 %"],
      ["nobody", "0", "0 %"],
      ["shop/a", "east/a for others", "13", "100 %"],
    ].map((cells) => cells),
  );
  assert.match(lines[3] ?? "", /1\.2 ms +48 ms +0\.8 ms +9\.5 ms +2\.5 MB\/s/);
});

test("topPage() names the member alone where there are no zones", () => {
  const page = topPage(answerOf([rowOf({ member: "east", zone: "" })]), {
    columns: 160,
    isColourful: false,
  });
  assert.match(page, /^shop\/cart +east +13/m);
});

test("topPage() leaves out what a window has no lines for, and says how much", () => {
  const page = topPage(answer, { columns: 80, rows: 5, isColourful: false });
  assert.equal(page.split("\n").length, 6);
  assert.match(page, /and 2 more/);
});

test("topPage() says so when there is no traffic", () => {
  assert.match(topPage(answerOf([]), { columns: 80, isColourful: false }), /no traffic/);
});

test("topPage() does not take it for no traffic that nobody reports", () => {
  const page = topPage({ ...answerOf([]), reporters: 0 }, { columns: 80, isColourful: false });
  assert.match(page, /no proxy reports to this agent/);
  assert.doesNotMatch(page, /no traffic/);
});

for (const [values, width, most, wanted] of [
  [[], 5, 10, ""],
  [[0, 0, 1, 10], 4, 10, "··▁█"],
  [[1, 2, 3, 4, 5, 6, 7, 8], 8, 8, "▁▂▃▄▅▆▇█"],
  [[0, 0, 8, 8, 4, 4], 3, 8, "·█▄"],
  [[8, 8, 8, 0], 2, 8, "█▄"],
  [[5], 5, 0, "█"],
] as const) {
  test(`sparkline() of ${JSON.stringify(values)} in ${width} is "${wanted}"`, () => {
    assert.equal(sparkline(values, { width, most }), wanted);
  });
}

describe("isthmus top", () => {
  let server: Server;
  let url: string;
  const asked: string[] = [];

  before(async () => {
    server = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.end(JSON.stringify(answer));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const bound = server.address();
    url = `http://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`;
  });

  after(() => {
    server.close();
    server.closeAllConnections();
  });

  test("prints one page where output is no terminal", async () => {
    const printed = await run(["top", "shop/cart", "--seconds", "30", "--agent", url]);
    assert.equal(printed.code, 0);
    assert.match(printed.out, /^east: 2 proxies report/);
    assert.equal(asked.at(-1), "/api/v1/load?service=shop%2Fcart&seconds=30");
  });

  test("--once --json prints one object", async () => {
    const printed = await run(["top", "--once", "--json", "--agent", url]);
    assert.deepEqual(JSON.parse(printed.out), JSON.parse(JSON.stringify(answer)));
  });

  test("--json prints an object per line until nobody reads any more", async () => {
    let out = "";
    const code = await main(["top", "--json", "--agent", url], {
      out: (text) => {
        out += text;
      },
      err: () => {},
      columns: undefined,
      isColourful: false,
      env: {},
      isClosed: () => out !== "",
    });
    assert.equal(code, 0);
    assert.equal(out.trim().split("\n").length, 1);
    assert.equal((JSON.parse(out) as LoadAnswer).member, "east");
  });
});
