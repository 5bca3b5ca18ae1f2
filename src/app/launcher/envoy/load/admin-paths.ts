// What Envoy counts of a cluster. cluster-load.ts tells some of it; the rest shows that its hosts are worth reading.
const counters = [
  "upstream_cx_total",
  "upstream_cx_destroy",
  "upstream_cx_connect_timeout",
  "upstream_cx_connect_fail",
  "upstream_cx_none_healthy",
  "upstream_cx_overflow",
  "upstream_cx_rx_bytes_total",
  "upstream_cx_tx_bytes_total",
  "upstream_cx_http1_total",
  "upstream_cx_http2_total",
  "upstream_cx_destroy_remote_with_active_rq",
  "upstream_rq_total",
  "upstream_rq_completed",
  "upstream_rq_pending_overflow",
  "upstream_rq_pending_failure_eject",
  "upstream_rq_rx_reset",
  "ssl.connection_error",
  "ssl.fail_verify_error",
  "ssl.fail_verify_san",
] as const;
export type ClusterCounter = (typeof counters)[number];

// One alternative more costs Envoy little, a path of more than 60 kB it refuses.
const namesPerPath = 200;

/** Of all clusters that lead to services, and of those only what was ever counted. */
export const countersPath: string = `/stats?usedonly&type=Counters&filter=${inQuery(
  `^cluster\\.outbound[|_].*\\.local\\.(?:${counters.map(quoted).join("|")})$`,
)}`;

/** Time to connect, and time to the end of an answer by zone of caller and upstream, of those clusters. */
export function histogramPaths(names: readonly string[], ownZone: string): readonly string[] {
  const stats = `upstream_cx_connect_ms|zone\\.${quoted(ownZone)}\\..*\\.upstream_rq_time`;
  return chunks(names).map((some) => {
    const filter = inQuery(`^cluster\\.(?:${some.map(quoted).join("|")})\\.(?:${stats})$`);
    return `/stats?usedonly&type=Histograms&histogram_buckets=disjoint&filter=${filter}`;
  });
}

/** Every host of those clusters. As text: JSON costs Envoy three times as much. */
export function hostPaths(names: readonly string[]): readonly string[] {
  return chunks(names).map(
    (some) => `/clusters?filter=${inQuery(`^(?:${some.map(quoted).join("|")})$`)}`,
  );
}

function chunks(names: readonly string[]): readonly (readonly string[])[] {
  const count = Math.ceil(names.length / namesPerPath);
  return Array.from({ length: count }, (_, index) =>
    names.slice(index * namesPerPath, (index + 1) * namesPerPath),
  );
}

/** Literally, for RE2. */
function quoted(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_/-]/g, (character) => `\\${character}`);
}

function inQuery(text: string): string {
  return encodeURIComponent(text);
}
