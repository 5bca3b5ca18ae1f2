import type { SourceFinding } from "../source-finding.ts";
import { printable } from "../source-finding.ts";
import type { KubePod } from "./pods.ts";

const maxExamples = 3;

/** Pods that the same command makes anew. */
interface Group {
  readonly namespace: string;
  /** `Deployment/cart`; empty: of all that nobody can restart. */
  readonly maker: string;
  count: number;
  /** The first by name, so that the same pods give the same words. */
  examples: readonly string[];
}

/** One finding for each workload whose pods are to have a sidecar and have none, however many they are. */
export function injectionFindings(wanted: Iterable<KubePod>): SourceFinding[] {
  const groups = new Map<string, Group>();
  for (const { key, maker } of wanted) {
    const [namespace = "", name = ""] = key.split("/");
    const about = `${namespace}/${maker}`;
    const group = groups.get(about) ?? { namespace, maker, count: 0, examples: [] };
    group.count += 1;
    const last = group.examples[maxExamples - 1];
    if (last === undefined || name < last) {
      group.examples = [...group.examples, name].sort().slice(0, maxExamples);
    }
    groups.set(about, group);
  }
  return [...groups.values()].map(findingOf);
}

function findingOf({ namespace, maker, count, examples }: Group): SourceFinding {
  const [kind = "", name = ""] = maker.split("/");
  const subject = maker === "" ? `Namespace/${namespace}` : `${kind}/${namespace}/${name}`;
  const remedy =
    maker === ""
      ? "delete them and let them be created again"
      : `kubectl -n ${namespace} rollout restart ${kind.toLowerCase()}/${name}`;
  const rest = count > examples.length ? ` and ${count - examples.length} more` : "";
  const message =
    `${count === 1 ? "1 pod was" : `${count} pods were`} made without the sidecar that the label isthmus.dev/inject asks ` +
    "for: before the label was there, or while the webhook was not asked; they take and send plaintext. To give " +
    `them one: ${remedy}. Pods: ${examples.join(", ")}${rest}`;
  return {
    code: "SOURCE_POD_NOT_INJECTED",
    severity: "warning",
    subject,
    message: printable(message),
  };
}
