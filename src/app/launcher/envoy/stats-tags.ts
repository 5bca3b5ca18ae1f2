// A regular expression per tag, as Envoy wants them: the first group is cut out of the name, the second is the
// value. Few, because each is tried on every statistic of every cluster when that is made.
const ways = "(?:outbound|direct)";
const zones = "\\.zone\\.";

/**
 * Labels of Envoy's own Prometheus page. Its defaults take the name of an Envoy cluster to end at the first dot;
 * ours say whose requests are counted: service and port, and `member/zone` at both ends.
 */
export const statsTags: readonly { readonly tagName: string; readonly regex: string }[] = [
  {
    tagName: "mesh_service",
    regex: `^cluster\\.(${ways}(?:\\||_\\.)\\d+(?:\\|\\||_\\._\\.)([^.]+\\.[^.]+)\\.svc\\.cluster(?:set)?\\.local\\.)`,
  },
  { tagName: "mesh_port", regex: `^cluster\\.(${ways}(?:\\||_\\.)(\\d+)(?:\\|\\||_\\._\\.))` },
  { tagName: "from_zone", regex: `${zones}(([^.]+)\\.)[^.]+\\.` },
  { tagName: "to_zone", regex: `${zones}[^.]+\\.(([^.]+)\\.)` },
];
