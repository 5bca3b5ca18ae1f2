import { join } from "node:path";
import { agentConfigParser } from "../config/agent-config.ts";
import {
  type ConfigProblem,
  type Parsed,
  type Parser,
  parseConfig,
} from "../config/config-parser.ts";
import { gatewayConfigParser } from "../config/launcher-config.ts";
import { programDir } from "../program-dir.ts";
import { filledIn } from "./fill-in.ts";
import { type Cloud, checkWords, type InstallWords } from "./install-words.ts";
import { deletionOf, inOrder, type Manifest, printManifests } from "./manifest.ts";
import { readManifests } from "./manifest-files.ts";

export type Written =
  | { readonly t: "ok"; readonly yaml: string; readonly objects: readonly Manifest[] }
  | { readonly t: "misconfigured"; readonly problems: readonly ConfigProblem[] };

/**
 * What `kubectl apply` makes a cluster a member with. Throws MESH_USAGE, MESH_ID_INVALID and
 * MESH_FILE_UNREADABLE; what the programs themselves would refuse is told as of their files.
 */
export function writeManifests(words: InstallWords): Written {
  checkWords(words);
  const dns = words.dnsIp === undefined ? [] : forwarded(words.cloud, words.dnsIp);
  const objects = inOrder([...filledIn(chosen(words), words), ...dns]);
  const problems = objects.flatMap(problemsOf);
  if (problems.length > 0) return { t: "misconfigured", problems };
  return { t: "ok", yaml: printManifests(objects), objects };
}

/** The same objects, in the order in which they are deleted, and no more of them than their names. */
export function writeDeletion(words: Pick<InstallWords, "cloud" | "withoutCrds">): string {
  return printManifests(deletionOf(chosen(words)));
}

function chosen({
  cloud,
  withoutCrds,
}: Pick<InstallWords, "cloud" | "withoutCrds">): readonly Manifest[] {
  const all = readManifests(join(deployDir(), cloud));
  return withoutCrds ? all.filter(({ kind }) => kind !== "CustomResourceDefinition") : all;
}

function deployDir(): string {
  return join(programDir(), "deploy");
}

/**
 * The cluster's own DNS is told where clusterset.local is answered. On EKS its settings are those of an add-on,
 * which would take ours back.
 */
function forwarded(cloud: Cloud, dnsIp: string): readonly Manifest[] {
  if (cloud === "eks") return [];
  return readManifests(join(deployDir(), cloud, "dns")).map((manifest) => {
    const data = Object.entries(manifest["data"] as Readonly<Record<string, string>>);
    return {
      ...manifest,
      data: Object.fromEntries(data.map(([key, text]) => [key, text.replace("10.0.0.53", dnsIp)])),
    };
  });
}

/** As the agent and the gateways of this version read their files. */
function problemsOf({ kind, ...fields }: Manifest): readonly ConfigProblem[] {
  if (kind !== "ConfigMap") return [];
  const data = fields["data"] as Readonly<Record<string, string>>;
  return [
    ...judged("agent.yaml", data, agentConfigParser),
    ...judged("gateway.yaml", data, gatewayConfigParser),
  ];
}

function judged<T>(
  file: string,
  data: Readonly<Record<string, string>>,
  parser: Parser<T>,
): readonly ConfigProblem[] {
  const text = data[file];
  if (text === undefined) return [];
  const parsed: Parsed<T> = parseConfig({ file, folder: "/etc/isthmus/config", text }, parser);
  return parsed.t === "ok" ? [] : parsed.problems;
}
