import { createInventory } from "../../../../src/discovery/sources/inventory/inventory.ts";
import { readManifest } from "../../../../src/discovery/sources/manifests/manifest.ts";
import type { SourceFinding } from "../../../../src/discovery/sources/source-finding.ts";
import type { LocalService } from "../../../../src/mesh/service.ts";

export interface FolderReading {
  readonly services: readonly LocalService[];
  readonly findings: readonly SourceFinding[];
}

/** What a folder with these files comes to: file name to text. */
export function readFolder(files: Readonly<Record<string, string>>): FolderReading {
  const inventory = createInventory();
  for (const [file, text] of Object.entries(files)) {
    inventory.put(readManifest({ file, text, modifiedMs: 1_000 }));
  }
  const { upserts } = inventory.takeChange();
  return { services: upserts, findings: inventory.findings() };
}

/** A Service with one port named http, 80 to 8080. */
export function serviceYaml(name: string, spec = "ports: [{ name: http, port: 80 }]"): string {
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec:\n  ${spec}\n`;
}

/** An EndpointSlice of that service; one address each, all healthy. */
export function sliceYaml(name: string, ...addresses: string[]): string {
  const endpoints = addresses.map((address) => `  - addresses: ["${address}"]\n`).join("");
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-1
  namespace: shop
  labels: { kubernetes.io/service-name: ${name} }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
${endpoints}`;
}

export function exportYaml(name: string): string {
  return `apiVersion: multicluster.x-k8s.io/v1beta1\nkind: ServiceExport\nmetadata: { name: ${name}, namespace: shop }\n`;
}

export function documents(...texts: string[]): string {
  return texts.join("---\n");
}
