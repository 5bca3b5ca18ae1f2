import { type Namespace, parseNamespace } from "../../../mesh/ids.ts";
import type { KubernetesSourceConfig } from "../config.ts";
import {
  checked,
  list,
  mapped,
  object,
  optional,
  type Parser,
  path,
  text,
} from "../config-parser.ts";

/** As written; what is left out is not there. */
type SourceFields = { readonly [Key in "kubeconfig" | "context"]: string | undefined } & {
  readonly namespaces: readonly Namespace[] | undefined;
};

// Each costs a connection for every kind of object: with more it is cheaper to read the whole cluster.
const maxNamespaces = 32;

const namespaces: Parser<readonly Namespace[]> = checked(list(text(parseNamespace), 1), (all) => {
  if (all.length > maxNamespaces) {
    return `it has more than ${maxNamespaces}; leave it out to read all of the cluster's`;
  }
  const twice = all.find((name, index) => all.indexOf(name) !== index);
  return twice === undefined ? undefined : `it has "${twice}" twice`;
});

/** `sources[].kubernetes`: `{}` is the cluster that the agent runs in. */
export const kubernetesSourceConfig: Parser<KubernetesSourceConfig> = mapped(
  checked(
    object<SourceFields>({
      kubeconfig: optional<string | undefined>(path, undefined),
      context: optional<string | undefined>(text(), undefined),
      namespaces: optional<readonly Namespace[] | undefined>(namespaces, undefined),
    }),
    ({ kubeconfig, context }) =>
      context !== undefined && kubeconfig === undefined
        ? "it has `context` without the `kubeconfig` in which that stands"
        : undefined,
  ),
  ({ kubeconfig, context, namespaces: only }) => ({
    t: "kubernetes",
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
    ...(only === undefined ? {} : { namespaces: only }),
  }),
);
