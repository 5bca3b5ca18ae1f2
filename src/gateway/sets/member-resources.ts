import type { MeshService } from "../../discovery/mesh-service.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import type { Capture } from "../../proxy/capture.ts";
import { AddressIndex, capturedPorts, keysFor } from "../../proxy/captured-ports.ts";
import { meshResources } from "../../proxy/mesh-resources.ts";
import type { ProxyNode, SidecarNode } from "../../proxy/node.ts";
import { sidecarNodeResources } from "../../proxy/node-resources.ts";
import { dependsOn, inboundProtocolIn, outboundProtocolIn } from "../../proxy/protocols.ts";
import { nothingSealed, type Sealed, type Withheld } from "../../proxy/seal.ts";
import type { ResourceContext } from "../../proxy/service-resources.ts";
import type { ProxySettings } from "../../proxy/settings.ts";
import { SubjectSet } from "../../proxy/subject-set.ts";
import type { TrustView } from "../../proxy/trust-view.ts";
import type { Viewer } from "../../proxy/viewer.ts";
import type { View } from "../../xds/view.ts";
import type { GatewaySettings } from "../door/listener.ts";
import { gatewayNodeResources } from "../door/resources.ts";
import type { DoorAddress } from "./door-sets.ts";
import { ServiceSets } from "./service-sets.ts";

export interface MemberResourcesOptions {
  readonly place: Omit<Viewer, "zone" | "callers">;
  readonly gateway: GatewaySettings;
  readonly settings: ProxySettings;
  readonly trust: TrustView;
  /** The addresses of this member's gateways. */
  readonly doors?: readonly DoorAddress[];
}

/** One stream's share of the sets. `close` it when the stream ends; later calls do nothing. */
export interface OpenView {
  readonly view: View;
  readonly close: () => void;
}

interface KnownNode {
  node: ProxyNode;
  streams: number;
  readonly content: SubjectSet;
}

type CapturedNode = SidecarNode & { readonly capture: Capture };

/**
 * Everything that the proxies of one member are told, as sets that streams share. A change of a
 * service touches its own resources, a node its own listeners; only the charter, a bundle or a
 * timeout touches all.
 */
export class MemberResources {
  readonly #gateway: GatewaySettings;
  readonly #mesh = new SubjectSet("mesh");
  readonly #services: ServiceSets;
  /** By `nodeKey`. */
  readonly #nodes = new Map<string, KnownNode>();
  /** Made for the first captured node: others need none. */
  #addresses: AddressIndex | undefined;
  #context: ResourceContext;

  constructor(options: MemberResourcesOptions) {
    this.#gateway = options.gateway;
    this.#context = { trust: options.trust, settings: options.settings };
    const { doors = [] } = options;
    this.#services = new ServiceSets(options.place, { context: this.#context, doors });
    this.#mesh.put("mesh", meshResources(options.trust));
  }

  /** Undefined: the service is gone for this member. */
  update(id: ServiceId, service: MeshService | undefined): void {
    const before = this.#services.service(id);
    this.#services.update(id, service);
    const moved = this.#addresses?.update(changeOf(before, service));
    for (const known of this.#nodes.values()) {
      const { node } = known;
      if (node.t !== "sidecar") continue;
      const isBehind =
        moved !== undefined && isCapturedNode(node) && keysFor(node).some((key) => moved.has(key));
      if (isBehind || dependsOn(node, id)) this.#build(known);
    }
  }

  /**
   * Where applications of this member dial the `clusterset.local` name of a service: the cluster IPs of its
   * ServiceImport. None: nowhere any more.
   */
  setImportIps(id: ServiceId, ips: readonly string[]): void {
    this.#services.setImportIps(id, ips);
  }

  /** After a new charter or bundle. */
  setTrust(trust: TrustView): void {
    this.#context = { ...this.#context, trust };
    this.#mesh.put("mesh", meshResources(trust));
    this.#rebuild();
  }

  /** Timeouts: rebuilds every Envoy cluster, with all its connections. */
  setSettings(settings: ProxySettings): void {
    this.#context = { ...this.#context, settings };
    this.#rebuild();
  }

  /**
   * Takes the present spread of sidecars over zones into account. Call it every few seconds, not on
   * each stream: it may touch the endpoints of every service that this member has in several zones.
   */
  refreshCallers(): void {
    this.#services.refreshCallers();
  }

  /**
   * What a stream of this node views. The newest stream's claims replace those of an older one. Throws
   * MESH_XDS_REQUEST_REFUSED.
   */
  open(node: ProxyNode): OpenView {
    const shared = this.#services.enter(node);
    const key = nodeKey(node);
    const content = this.#nodes.get(key)?.content ?? new SubjectSet(`node/${node.id}`);
    const streams = (this.#nodes.get(key)?.streams ?? 0) + 1;
    const known = { node, content, streams };
    this.#nodes.set(key, known);
    this.#build(known);
    // A gRPC program has no listeners of its own and judges nobody by our secrets.
    const sets = node.t === "grpc" ? shared : [content.set, ...shared, this.#mesh.set];
    const view = { sets };
    let isOpen = true;
    const close = (): void => {
      if (isOpen) this.#leave(node);
      isOpen = false;
    };
    return { view, close };
  }

  service(id: ServiceId): MeshService | undefined {
    return this.#services.service(id);
  }

  services(): Iterable<MeshService> {
    return this.#services.services();
  }

  nodes(): readonly ProxyNode[] {
    return [...this.#nodes.values()].map(({ node }) => node);
  }

  /** As a sidecar in that zone sees the mesh. */
  viewer(zone: string): Viewer {
    return this.#services.viewer(zone);
  }

  /** Resources that broke a rule of the protocol; their last good versions are still served. */
  withheld(): readonly Withheld[] {
    const nodes = [...this.#nodes.values()].flatMap(({ content }) => [...content.withheld()]);
    return [...this.#mesh.withheld(), ...this.#services.withheld(), ...nodes];
  }

  #leave(node: ProxyNode): void {
    this.#services.leave(node);
    const key = nodeKey(node);
    const known = this.#nodes.get(key);
    if (known === undefined) return;
    known.streams -= 1;
    if (known.streams === 0) this.#nodes.delete(key);
  }

  #rebuild(): void {
    this.#services.setContext(this.#context);
    for (const known of this.#nodes.values()) this.#build(known);
  }

  #build(known: KnownNode): void {
    known.content.put("node", this.#sealed(known.node));
  }

  #sealed(node: ProxyNode): Sealed {
    const { trust } = this.#context;
    if (node.t === "grpc") return nothingSealed;
    if (node.t === "gateway") return gatewayNodeResources(node, { settings: this.#gateway, trust });
    return sidecarNodeResources(node, {
      trust,
      outboundProtocolOf: outboundProtocolIn(this.#services),
      inboundProtocolOf: inboundProtocolIn(this.#services, node),
      capturedPorts: (capture) =>
        capturedPorts(capture, this.#servicesBehind({ ...node, capture })),
    });
  }

  #servicesBehind(node: CapturedNode): readonly MeshService[] {
    this.#addresses ??= indexOf(this.#services.services());
    const ids = this.#addresses.servicesAt(keysFor(node));
    return ids.flatMap((id) => this.#services.service(id) ?? []);
  }
}

function isCapturedNode(node: SidecarNode): node is CapturedNode {
  return node.capture !== undefined;
}

function indexOf(services: Iterable<MeshService>): AddressIndex {
  const index = new AddressIndex();
  for (const service of services) index.update({ to: service });
  return index;
}

function changeOf(
  from: MeshService | undefined,
  to: MeshService | undefined,
): { readonly from?: MeshService; readonly to?: MeshService } {
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** An id is only a claim: who borrows another account's must not replace that one's listeners. */
function nodeKey(node: ProxyNode): string {
  return node.t === "sidecar" ? `${node.id} ${node.serviceAccount}` : node.id;
}
