import type { Document } from "yaml";
import { isMap, isScalar, isSeq, parseDocument } from "yaml";
import { parseProbe, probeText } from "../objects/annotations.ts";
import { splitDocuments } from "../yaml/yaml-documents.ts";

/** One port of one endpoint of an EndpointSlice. */
export interface EndpointPort {
  /** `namespace/name` of the Service. */
  readonly service: string;
  readonly workload: string;
  /** Empty when the slice does not say. */
  readonly zone: string;
  readonly address: string;
  readonly port: number;
}

/** Where the endpoint is to be found instead. It is asked once for each port and the probe's port. */
export type Placement = (endpoint: EndpointPort) => {
  readonly address: string;
  readonly port: number;
};

/**
 * Rewrites the addresses and ports of all EndpointSlices in a YAML text and leaves everything else as
 * it is, comments included. A slice has one set of ports for all its endpoints, so endpoints that come
 * to have different ones get a slice each, named `<slice>-<n>`.
 */
export function relocate(yamlText: string, place: Placement): string {
  const parts = splitDocuments(yamlText).map(({ text }) => {
    const document = parseDocument(text);
    const isSlice = document.errors.length === 0 && document.get("kind") === "EndpointSlice";
    return isSlice ? relocateSlice(document, place).join("---\n") : `${text.trim()}\n`;
  });
  return parts.join("---\n");
}

function relocateSlice(document: Document, place: Placement): string[] {
  const endpoints: unknown = document.get("endpoints");
  const count = isSeq(endpoints) ? endpoints.items.length : 0;
  const groups = new Map<string, { copy: Document; kept: unknown[] }>();
  for (let index = 0; index < count; index++) {
    const copy = document.clone();
    const moved = moveEndpoint(copy, { index, place });
    const ports = JSON.stringify([copy.get("ports"), copy.getIn(probePath)]);
    const group = groups.get(ports);
    if (group === undefined) groups.set(ports, { copy, kept: [moved] });
    else group.kept.push(moved);
  }
  if (groups.size === 0) return [String(document)];
  return [...groups.values()].map(({ copy, kept }, index) => {
    const list: unknown = copy.get("endpoints");
    if (isSeq(list)) list.items = kept;
    if (groups.size > 1) copy.setIn(namePath, `${textIn(copy, namePath)}-${index + 1}`);
    return String(copy);
  });
}

const namePath = ["metadata", "name"];
const probePath = ["metadata", "annotations", "isthmus.dev/probe"];
const servicePath = ["metadata", "labels", "kubernetes.io/service-name"];

interface Move {
  readonly index: number;
  readonly place: Placement;
}

/** Rewrites the document's ports for one of its endpoints and returns that endpoint, moved. */
function moveEndpoint(document: Document, { index, place }: Move): unknown {
  const path = ["endpoints", index];
  const service = `${textIn(document, ["metadata", "namespace"]) || "default"}/${textIn(document, servicePath)}`;
  const from = textIn(document, [...path, "addresses", 0]);
  const workload =
    textIn(document, [...path, "targetRef", "name"]) ||
    textIn(document, [...path, "hostname"]) ||
    from;
  const zone = textIn(document, [...path, "zone"]);
  let address = from;
  const movePort = (port: number): number => {
    const to = place({ service, workload, zone, address: from, port });
    address = to.address;
    return to.port;
  };
  const ports: unknown = document.get("ports");
  for (const port of isSeq(ports) ? ports.items : []) {
    if (isMap(port)) port.set("port", movePort(Number(port.get("port"))));
  }
  const probe = parseProbe(textIn(document, probePath));
  if (probe !== undefined) {
    document.setIn(probePath, probeText({ ...probe, port: movePort(probe.port) }));
  }
  document.setIn(["addressType"], address.includes(":") ? "IPv6" : "IPv4");
  document.setIn([...path, "addresses", 0], address);
  return document.getIn(path);
}

function textIn(document: Document, path: readonly (string | number)[]): string {
  const node: unknown = document.getIn(path, true);
  return isScalar(node) && typeof node.value === "string" ? node.value : "";
}
