/** The resource types we serve, in the order in which upserts are made before breaks. */
export const xdsTypes = ["cluster", "endpoint", "secret", "listener", "route"] as const;
export type XdsType = (typeof xdsTypes)[number];

export const typeUrls: Readonly<Record<XdsType, string>> = {
  cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
  endpoint: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
  secret: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
  listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
  route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
};

/** One resource, encoded once; every stream that gets it shares these bytes. */
export interface Resource {
  readonly type: XdsType;
  readonly name: string;
  /** Content hash. An endpoint's mixes in its cluster's version, so that a changed cluster is always followed by its endpoints. */
  readonly version: string;
  /** A whole `resources` field of DeltaDiscoveryResponse (tag, length, Resource), ready to be concatenated. */
  readonly entry: Uint8Array;
  /** Length of the message inside the entry; `valueOf` finds it there. */
  readonly valueBytes: number;
}

export interface ResourceKey {
  readonly type: XdsType;
  readonly name: string;
}

/** A change of a resource set. */
export interface ResourceEdit {
  readonly upserts: readonly Resource[];
  readonly removed: readonly ResourceKey[];
}
