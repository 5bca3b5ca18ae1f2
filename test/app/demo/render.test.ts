import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { demoMembers } from "../../../src/app/demo/demo-members.ts";
import {
  closingText,
  type PhaseReport,
  phaseHeading,
  phaseText,
  stepText,
  summaryText,
} from "../../../src/app/demo/render.ts";
import type { Tally } from "../../../src/app/demo/samples.ts";

const members = demoMembers(3);
const tally: Tally = {
  requests: 12_345,
  failed: 2,
  cut: 3,
  failures: { ["eks-us-east-1 → cart: a reason that goes on and on ".repeat(4)]: 2 },
  servedBy: { "eks-us-east-1": 100, "aks-westeurope": 300 },
  p50Ms: 2.13,
  p99Ms: 12_345,
  movedMs: 41.2,
  lastFailureMs: undefined,
};
const report: PhaseReport = {
  name: "silent-gateway",
  title: "a title that is far too long for any terminal that was ever built ".repeat(3),
  total: tally,
  byCaller: members.slice(0, 3).map(({ name }) => ({ caller: name, tally })),
};

for (const width of [80, 100, 132, 160]) {
  for (const hasColour of [true, false]) {
    test(`no line is wider than ${width} columns ${hasColour ? "with" : "without"} colour`, () => {
      const stage = { screen: { width, hasColour }, members };
      const texts = [
        stepText(stage, { what: "word ".repeat(60), elapsedMs: 1234 }),
        phaseHeading(stage, { number: 4, ...report }),
        phaseText(stage, report),
        summaryText(stage, [report]),
        closingText(stage, [report]),
      ];
      const lines = texts.join("\n").split("\n").map(stripVTControlCharacters);
      assert.deepEqual(
        lines.filter((line) => line.length > width),
        [],
      );
      assert.equal(texts.join("").includes("\u001b"), hasColour);
    });
  }
}

test("phaseText() tells apart the shares of two members without colour", () => {
  const text = phaseText({ screen: { width: 100, hasColour: false }, members }, report);
  assert.match(text, /█+▒+ aks 75%/);
});

test("phaseText() says nobody where nothing was answered", () => {
  const silent = {
    ...report,
    byCaller: [{ caller: "eks-us-east-1", tally: { ...tally, servedBy: {} } }],
  };
  assert.match(phaseText({ screen: { width: 80, hasColour: false }, members }, silent), /nobody/);
});

test("closingText() counts what failed and what a phase cut", () => {
  const text = closingText({ screen: { width: 80, hasColour: false }, members }, [report, report]);
  assert.equal(text, "✗ 24,690 requests, 4 failed, 6 in flight on what a phase itself ended");
});
