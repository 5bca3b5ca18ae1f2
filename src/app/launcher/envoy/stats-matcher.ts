// Of each Envoy cluster that leads to a service. Counters that grow with every change of endpoints cost the most:
// each reading of the launcher (load/) must look at their names. No gauge is among them, as Envoy itself reads some
// (`outlier_detection.ejections_active` bounds how many hosts it puts aside).
const unread = [
  // Their gauges tell it: `version`, `update_time`, `membership_total`.
  "update_(?:attempt|success|empty|no_rebuild)",
  "membership_change",
  "lb_recalculate_zone_structures",
  String.raw`.*\.total_match_count`,
  String.raw`client_ssl_socket_factory\..*`,
  // What is not configured.
  "init_fetch_timeout",
  "assignment_(?:stale|timeout_received|use_cached)",
  "lb_subsets_(?:created|fallback|fallback_panic|removed|selected)",
  "lb_(?:zone_.*|local_cluster_not_ok)",
  String.raw`ssl\.(?:ocsp_.*|fail_verify_cert_hash|no_certificate)`,
  "upstream_(?:internal_redirect_.*|http3_broken|cx_http3_total|rq_0rtt)",
  "retry_or_shadow_abandoned",
  // Seen, but nothing was done; and older names of others.
  String.raw`outlier_detection\.ejections_(?:detected_.*|total|consecutive_5xx|success_rate)`,
];

/**
 * What Envoy does not even count: neither the launcher nor an operator has a use for it. One expression, as it is
 * tried on each statistic of each cluster when that is made.
 */
export const statsMatcher: object = {
  exclusionList: {
    patterns: [{ safeRegex: { regex: `cluster\\..*\\.local\\.(?:${unread.join("|")})` } }],
  },
};
