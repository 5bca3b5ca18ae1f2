import assert from "node:assert/strict";
import { test } from "node:test";
import {
  countsOf,
  listeningIn,
  readListeners,
  readStats,
} from "../../../../src/app/launcher/envoy/envoy-counts.ts";

const cart = "outbound|80||cart.shop.svc.cluster.local";

test("countsOf() adds up listeners and Envoy clusters, and nothing of Envoy's own", () => {
  const { counts, isConnected } = countsOf([
    { name: "listener.127.0.0.1_15101.downstream_cx_active", value: 2 },
    { name: "listener.127.0.0.1_15101.worker_0.downstream_cx_active", value: 2 },
    { name: "listener.10.0.0.7_15006.downstream_cx_active", value: 3 },
    { name: "listener.10.0.0.7_15006.downstream_cx_total", value: 40 },
    { name: "listener.admin.downstream_cx_active", value: 1 },
    { name: "listener.admin.downstream_cx_total", value: 1000 },
    { name: `cluster.${cart}.upstream_cx_connect_fail`, value: 4 },
    { name: `cluster.${cart}.upstream_rq_retry`, value: 5 },
    { name: `cluster.${cart}.outlier_detection.ejections_enforced_total`, value: 6 },
    { name: "cluster.xds.upstream_cx_connect_fail", value: 100 },
    { name: "cluster_manager.cds.update_rejected", value: 1 },
    { name: `cluster.${cart}.update_rejected`, value: 1 },
    { name: "control_plane.connected_state", value: 1 },
  ]);
  assert.deepEqual(counts, {
    open: 5,
    accepted: 40,
    refused: { hello: 0, name: 0, peer: 0, limit: 0, other: 0 },
    connectFailures: 4,
    retries: 5,
    ejections: 6,
    nacks: 2,
  });
  assert.equal(isConnected, true);
});

test("countsOf() tells refusals by what was wrong", () => {
  const door = "listener.0.0.0.0_15443";
  const { counts } = countsOf([
    { name: `${door}.downstream_pre_cx_timeout`, value: 1 },
    { name: "tls_inspector.client_hello_too_large", value: 2 },
    { name: `${door}.no_filter_chain_match`, value: 3 },
    { name: "tcp.gateway.downstream_cx_no_route", value: 4 },
    { name: `${door}.ssl.fail_verify_san`, value: 5 },
    { name: `${door}.ssl.fail_verify_error`, value: 6 },
    { name: `${door}.downstream_cx_overload_reject`, value: 7 },
  ]);
  assert.deepEqual(counts.refused, { hello: 3, name: 7, peer: 11, limit: 7, other: 0 });
});

test("countsOf() takes requests and bytes for busy, resting HTTP connections not", () => {
  const busyWith = (http: number, requests: number): number =>
    countsOf([
      { name: "listener.10.0.0.7_15006.downstream_cx_active", value: 5 },
      { name: "http.inbound|8080||10.0.0.7.downstream_cx_active", value: http },
      { name: "http.inbound|8080||10.0.0.7.downstream_rq_active", value: requests },
    ]).busy;
  assert.deepEqual([busyWith(5, 0), busyWith(5, 2), busyWith(3, 0)], [0, 2, 2]);
});

test("countsOf() is all zero when Envoy says nothing", () => {
  const { counts, isConnected, busy } = countsOf([]);
  assert.deepEqual([counts.open, isConnected, busy], [0, false, 0]);
});

test("readStats() leaves out what has no single value", () => {
  const json = '{"stats":[{"name":"a","value":1},{"histograms":{"supported_quantiles":[]}}]}';
  assert.deepEqual(readStats(json), [{ name: "a", value: 1 }]);
});

test("readListeners() gives names with the ports they really have, and no listener without a port", () => {
  const at = { socket_address: { address: "127.0.0.1", port_value: 15_101 } };
  const json = JSON.stringify({
    listener_statuses: [{ name: "out", local_address: at }, { name: "api" }],
  });
  const address = { host: "127.0.0.1", port: 15_101 };
  assert.deepEqual(readListeners(json), [{ name: "out", address }]);
  assert.deepEqual(readListeners("{}"), []);
});

test("listeningIn() tells listeners that wait from those that failed", () => {
  const of = (stats: readonly object[]): object => listeningIn(JSON.stringify({ stats }));
  const warming = { name: "listener_manager.total_listeners_warming", value: 2 };
  const failed = { name: "listener_manager.listener_create_failure", value: 1 };
  assert.deepEqual(of([warming, failed]), { warming: 2, failed: 1 });
  assert.deepEqual(of([]), { warming: 0, failed: 0 });
});
