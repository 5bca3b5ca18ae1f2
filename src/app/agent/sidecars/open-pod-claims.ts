import type { OpenedSources } from "../sources/open-sources.ts";
import { PodClaims, type PodClaimsOptions } from "./pod-claims.ts";

/** Claims of sidecars, judged again whenever pods of a cluster have changed. */
export function openPodClaims(
  { clusters }: OpenedSources,
  parts: Omit<PodClaimsOptions, "books">,
): PodClaims {
  const claims = new PodClaims({
    ...parts,
    books: clusters.map(({ source }) => source.cluster.pods),
  });
  for (const { source } of clusters) source.onKind("Pod", () => claims.look());
  return claims;
}
