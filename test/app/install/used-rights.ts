import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AgentRight, agentRights } from "../../../src/app/install/agent-rights.ts";
import type { KubeCluster } from "../../kube/cluster.ts";

const namespace = "isthmus-system";

/** `isthmus-system? group/resource#name verb`, one for each thing that may be done. */
export function wordsOf(rights: readonly AgentRight[]): readonly string[] {
  const words = rights.flatMap(({ group, resource, verbs, names = ["*"], isOwnNamespace }) =>
    verbs.flatMap((verb) =>
      names.map((name) => {
        return `${isOwnNamespace ? namespace : "*"} ${group}/${resource}#${name} ${verb}`;
      }),
    ),
  );
  return [...new Set(words)].sort();
}

interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
}

/** What an audited API server saw the agent's account do, in the words of `wordsOf`. */
export async function usedBy(cluster: KubeCluster): Promise<ReadonlySet<string>> {
  const named = new Set(agentRights.filter(({ names }) => names).map(({ resource }) => resource));
  const lines = (await readFile(join(cluster.dir, "audit.log"), "utf8")).trim().split("\n");
  const used = new Set<string>();
  for (const line of lines) {
    const { verb, user, objectRef: object } = JSON.parse(line) as AuditEvent;
    if (object === undefined || !user.username.endsWith(`:${namespace}:isthmus-agent`)) continue;
    // Everybody may ask what he may.
    if (object.apiGroup === "authorization.k8s.io") continue;
    const resource = [object.resource, object.subresource].filter(Boolean).join("/");
    const place = object.resource === "leases" ? namespace : "*";
    const name = named.has(resource) && verb !== "create" ? object.name : "*";
    used.add(`${place} ${object.apiGroup ?? ""}/${resource}#${name} ${verb}`);
  }
  return used;
}
