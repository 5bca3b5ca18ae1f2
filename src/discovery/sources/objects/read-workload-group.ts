import { parseServiceId } from "../../../mesh/ids.ts";
import type { GroupPort, GroupUpstream } from "../../../mesh/workload-group.ts";
import { readGroupId } from "../../../mesh/workload-group.ts";
import { shown } from "../source-finding.ts";
import type { Fields, Problem } from "./fields.ts";
import { fieldsOf } from "./fields.ts";
import type { KubeWorkloadGroup } from "./kube-objects.ts";
import type { Metadata } from "./metadata.ts";
import { readDurationMs } from "./read-duration.ts";
import { readHealthCheck } from "./read-health-check.ts";
import { readLabels } from "./read-selector.ts";

// As the CustomResourceDefinition has it.
const maxPorts = 32;
const maxUpstreams = 64;
const objectFields = ["apiVersion", "kind", "metadata", "spec", "status"];
const specFields = [
  "serviceAccount",
  "ports",
  "labels",
  "locality",
  "healthCheck",
  "disconnect",
  "upstreams",
];
const accountRule = {
  pattern: /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
  wants: "the name of a service account: lower-case letters, digits, '-' and '.'",
};
const portNameRule = {
  pattern: /^(?!constructor$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
  wants: "a DNS label other than 'constructor': lower-case letters, digits and '-'",
};
const zoneRule = {
  pattern: /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
  wants: "at most 63 letters, digits, '-', '_' and '.'",
};
const protocolRule = { pattern: /^(?:TCP|UDP)$/, wants: "TCP or UDP" };

// A VM that restarts is back within a minute; one that is not is worth nobody's wait.
const defaultUnhealthyAfterMs = 60_000;
const defaultRemoveAfterMs = 3_600_000;

/** Reads an `isthmus.dev/v1alpha1` WorkloadGroup. Source: `deploy/crds/isthmus-workloadgroups.yaml`. */
export function readWorkloadGroup(
  object: Fields,
  metadata: Metadata,
  problems: Problem[],
): KubeWorkloadGroup | undefined {
  object.expectOnly(objectFields);
  object.require("spec", "say there what its workloads run as and which ports they have");
  const spec = object.fields("spec");
  const id = readGroupId(`${metadata.namespace}/${metadata.name}`);
  if (spec === undefined || id === undefined) return undefined;
  spec.expectOnly(specFields);
  spec.require("serviceAccount", "name the account that its workloads run as");
  spec.require("ports", "name the ports that its workloads listen on");
  const { unhealthyAfterMs, removeAfterMs } = disconnectOf(spec);
  const healthCheck = readHealthCheck(spec);
  const locality = spec.fields("locality");
  locality?.expectOnly(["region", "zone"]);
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  return {
    t: "workload-group",
    key: `WorkloadGroup/${id}`,
    group: {
      id,
      generation: metadata.fields.integer("generation", range) ?? 0,
      serviceAccount: spec.text("serviceAccount", accountRule) ?? "",
      ports: portsOf(spec, problems),
      labels: readLabels(spec, "labels") ?? {},
      zone: locality?.text("zone", zoneRule) ?? "",
      ...(healthCheck === undefined ? {} : { healthCheck }),
      upstreams: upstreamsOf(spec, problems),
      unhealthyAfterMs,
      removeAfterMs,
    },
  };
}

function portsOf(spec: Fields, problems: Problem[]): readonly GroupPort[] {
  const items = spec.list("ports", maxPorts);
  if (Array.isArray(spec.raw("ports")) && items.length === 0) {
    spec.refuse("ports", "it names none; name the ports that its workloads listen on");
  }
  const ports = items.flatMap((item): GroupPort[] => {
    const fields = fieldsOf(item, problems);
    fields?.expectOnly(["name", "port", "protocol"]);
    fields?.require("name", "Services lead to it by its name");
    fields?.require("port", "write the port that the application listens on");
    const name = fields?.text("name", portNameRule);
    const port = fields?.integer("port", { min: 1, max: 65_535 });
    const protocol = fields?.text("protocol", protocolRule) === "UDP" ? "UDP" : "TCP";
    return name === undefined || port === undefined ? [] : [{ name, port, protocol }];
  });
  const seen = new Set<string>();
  for (const { name, port, protocol } of ports) {
    for (const mark of [`name "${name}"`, `port ${port}/${protocol}`]) {
      if (seen.has(mark)) spec.refuse("ports", `two ports have the ${mark}; keep one of them`);
      seen.add(mark);
    }
  }
  return ports;
}

function upstreamsOf(spec: Fields, problems: Problem[]): readonly GroupUpstream[] {
  const seen = new Set<string>();
  return spec.list("upstreams", maxUpstreams).flatMap((item): GroupUpstream[] => {
    const fields = fieldsOf(item, problems);
    fields?.expectOnly(["service", "port"]);
    fields?.require("service", "write NAMESPACE/NAME");
    fields?.require("port", "write the service's port");
    const written = fields?.text("service");
    const port = fields?.integer("port", { min: 1, max: 65_535 });
    if (written === undefined || port === undefined) return [];
    const mark = `${written}:${port}`;
    if (seen.has(mark)) fields?.refuse("service", `${mark} stands there twice; keep one`);
    seen.add(mark);
    try {
      return [{ service: parseServiceId(written), port }];
    } catch {
      fields?.refuse("service", `it is ${shown(written)}; write NAMESPACE/NAME`);
      return [];
    }
  });
}

function disconnectOf(spec: Fields): {
  readonly unhealthyAfterMs: number;
  readonly removeAfterMs: number;
} {
  const fields = spec.fields("disconnect");
  fields?.expectOnly(["unhealthyAfter", "removeAfter"]);
  const range = { minMs: 0, maxMs: 30 * 86_400_000 };
  const unhealthyAfterMs =
    fields === undefined ? undefined : readDurationMs(fields, "unhealthyAfter", range);
  const removeAfterMs =
    fields === undefined ? undefined : readDurationMs(fields, "removeAfter", range);
  const terms = {
    unhealthyAfterMs: unhealthyAfterMs ?? defaultUnhealthyAfterMs,
    removeAfterMs: removeAfterMs ?? defaultRemoveAfterMs,
  };
  if (terms.unhealthyAfterMs >= terms.removeAfterMs) {
    fields?.refuse("removeAfter", "it is not longer than unhealthyAfter");
  }
  return terms;
}
