import { shown } from "../source-finding.ts";
import type { Fields, Problem } from "./fields.ts";
import type { KubeImportPolicy } from "./kube-objects.ts";
import type { Metadata } from "./metadata.ts";

const policyFields = ["apiVersion", "kind", "metadata", "spec", "status"];
const specFields = ["namespaces", "members"];
// As the CustomResourceDefinition has it.
const maxNames = 256;
const namePattern = /^(?:\*|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/;
const wanted = "a name of at most 63 lower-case letters, digits and '-', or \"*\" alone for all";

/** Reads an `isthmus.dev/v1alpha1` ImportPolicy. Source: `deploy/crds/isthmus-importpolicies.yaml`. */
export function readImportPolicy(
  object: Fields,
  metadata: Metadata,
  problems: Problem[],
): KubeImportPolicy {
  object.expectOnly(policyFields);
  object.require("spec", "say there which members' exports of which namespaces are taken over");
  if ((metadata.fields.raw("namespace") ?? "") !== "") {
    metadata.fields.refuse("namespace", "the policy is the whole member's; leave it out");
  }
  const spec = object.fields("spec");
  spec?.expectOnly(specFields);
  const namespaces = spec === undefined ? [] : namesIn(spec, "namespaces", problems);
  const named: unknown = spec?.raw("namespaces");
  if (Array.isArray(named) && named.length === 0) {
    spec?.refuse("namespaces", 'it names none; write ["*"] for all, or delete the policy');
  }
  const members = spec === undefined ? [] : namesIn(spec, "members", problems);
  const { name } = metadata;
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const generation = metadata.fields.integer("generation", range) ?? 0;
  return {
    t: "import-policy",
    key: `ImportPolicy/${name}`,
    policy: { name, generation, namespaces, members },
  };
}

function namesIn(
  spec: Fields,
  key: "namespaces" | "members",
  problems: Problem[],
): readonly string[] {
  spec.require(
    key,
    key === "members" ? 'write [] for nobody\'s, ["*"] for all' : 'write ["*"] for all',
  );
  const names = new Set<string>();
  for (const { path, value } of spec.list(key, maxNames)) {
    const refuse = (message: string): void =>
      void problems.push({ code: "SOURCE_OBJECT_INVALID", path, message });
    if (typeof value !== "string" || !namePattern.test(value)) {
      refuse(`it is ${shown(value)}; it has to be ${wanted}`);
    } else if (names.has(value)) refuse(`it names "${value}" a second time; delete one`);
    else names.add(value);
  }
  if (names.has("*") && names.size > 1) spec.refuse(key, "* stands for all and stands alone");
  return [...names];
}
