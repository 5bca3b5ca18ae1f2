import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { MetricDeclaration } from "../../src/telemetry/metrics/declaration.ts";
import { metrics } from "../../src/telemetry/metrics/metrics.ts";
import { createTelemetry } from "../../src/telemetry/registry.ts";

const page = "docs/metrics.md";
const declared: readonly MetricDeclaration[] = Object.values(metrics);

test("docs/metrics.md lists every declared metric as it is declared", () => {
  // As with golden files: the difference is read in review.
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, pageOf(declared));
  assert.equal(readFileSync(page, "utf8"), pageOf(declared));
});

for (const metric of declared) {
  test(`${metric.name} follows the naming rules of Prometheus`, () => {
    assert.match(metric.name, /^isthmus_[a-z0-9_]+$/);
    assert.equal(metric.name.endsWith("_total"), metric.kind === "counter");
    const isTime = metric.unit === "seconds" || metric.unit === "unix seconds";
    assert.equal(metric.name.endsWith("_seconds"), isTime);
    assert.ok(!metric.help.endsWith("."), "help is one sentence without a period");
  });
}

test("createTelemetry() shows counters from the start, so that the first increase is seen", async () => {
  const text = await createTelemetry("agent").render();
  assert.match(text, /^isthmus_renewals_total\{result="refused"\} 0$/m);
});

test("count() makes no new series for a value that is not declared", async () => {
  const telemetry = createTelemetry("agent");
  telemetry.count("renewals", { result: "/etc/passwd" });
  const text = await telemetry.render();
  assert.match(text, /isthmus_renewals_total\{result="other"\} 1/);
  assert.doesNotMatch(text, /passwd/);
});

test("total() never goes back when its source starts anew", async () => {
  const telemetry = createTelemetry("engine");
  telemetry.total("engineAccepted", {}, 10);
  telemetry.total("engineAccepted", {}, 2);
  telemetry.total("engineAccepted", {}, 5);
  assert.match(await telemetry.render(), /isthmus_engine_connections_total 13/);
});

test("createTelemetry() has no metrics of the other kind of process", async () => {
  assert.doesNotMatch(await createTelemetry("engine").render(), /isthmus_xds_streams/);
  assert.doesNotMatch(await createTelemetry("agent").render(), /isthmus_engine_/);
});

function pageOf(list: readonly MetricDeclaration[]): string {
  const rows = (of: MetricDeclaration["of"]): string =>
    list
      .filter((metric) => metric.of === of)
      .map(
        ({ name, kind, unit, labels, help }) =>
          `| \`${name}\` | ${kind} | ${unit} | ${labelText(labels)} | ${help} |\n`,
      )
      .join("");
  const table = (of: MetricDeclaration["of"]): string =>
    `| name | kind | unit | labels | meaning |\n|---|---|---|---|---|\n${rows(of)}`;
  return `# Metrics

Served as Prometheus text on \`/metrics\`: by the agent on its HTTP port (15080), by gateways and sidecars on
their admin port (15021). Every series of a closed label set exists from the start with 0. No label holds an
id, a path or anything else without a bound: members are those of the charter, hubs those of the configuration. A
value that is on no list becomes \`other\`.

This page is made from \`src/telemetry/metrics/\`: \`UPDATE_DOCS=1\` with \`test/telemetry/metrics.test.ts\`.

## Agent

${table("agent")}
## Gateway and sidecar

${table("engine")}
## Both

${table("both")}`;
}

function labelText(labels: MetricDeclaration["labels"]): string {
  const parts = Object.entries(labels).map(([label, values]) => {
    if (typeof values === "string") return `\`${label}\`: ${values}`;
    return values.length === 0 ? `\`${label}\`` : `\`${label}\`: ${values.join(", ")}`;
  });
  return parts.length === 0 ? "–" : parts.join("; ");
}
