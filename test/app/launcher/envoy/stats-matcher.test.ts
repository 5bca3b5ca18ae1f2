import assert from "node:assert/strict";
import { test } from "node:test";
import { countersPath } from "../../../../src/app/launcher/envoy/load/admin-paths.ts";
import { statsMatcher } from "../../../../src/app/launcher/envoy/stats-matcher.ts";

const { exclusionList } = statsMatcher as {
  readonly exclusionList: {
    readonly patterns: readonly { readonly safeRegex: { readonly regex: string } }[];
  };
};
// Envoy wants the whole name to match.
const excluded = exclusionList.patterns.map(
  ({ safeRegex }) => new RegExp(`^(?:${safeRegex.regex})$`),
);
const isExcluded = (name: string): boolean => excluded.some((pattern) => pattern.test(name));
const cluster = "cluster.outbound|80||cart.shop.svc.clusterset.local";

test("statsMatcher keeps every counter that the launcher reads of a cluster", () => {
  const filter = new URLSearchParams(countersPath.split("?")[1]).get("filter") ?? "";
  const [, names = ""] = /\(\?:(.*)\)\$$/.exec(filter) ?? [];
  const read = names.replaceAll("\\", "").split("|");
  assert.ok(read.includes("upstream_cx_total"));
  assert.deepEqual(
    read.filter((name) => isExcluded(`${cluster}.${name}`)),
    [],
  );
});

test("statsMatcher keeps what is added up for /metrics, and what Envoy itself reads", () => {
  const kept = [
    `${cluster}.upstream_rq_retry`,
    `${cluster}.upstream_cx_overflow`,
    `${cluster}.update_rejected`,
    `${cluster}.outlier_detection.ejections_enforced_total`,
    `${cluster}.outlier_detection.ejections_active`,
    `${cluster}.membership_healthy`,
    `${cluster}.zone.east/a.west/b.upstream_rq_time`,
    "cluster.xds.update_success",
    "cluster_manager.cds.update_success",
    "listener_manager.lds.update_attempt",
  ];
  assert.deepEqual(kept.filter(isExcluded), []);
});

test("statsMatcher leaves out what grows with every change of endpoints, and what is not configured", () => {
  const names = [
    "update_success",
    "membership_change",
    "mtls.total_match_count",
    "lb_subsets_created",
    "lb_zone_routing_sampled",
    "outlier_detection.ejections_detected_consecutive_5xx",
  ];
  assert.deepEqual(
    names.filter((name) => !isExcluded(`${cluster}.${name}`)),
    [],
  );
});
