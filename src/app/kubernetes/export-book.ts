import type { ExportBook } from "../../discovery/io/kubernetes/mcs/mcs-controller.ts";
import {
  type Constituent,
  ownConstituent,
  remoteConstituent,
} from "../../discovery/mcs/constituents.ts";
import { type MemberName, type Namespace, namespaceOf, type ServiceId } from "../../mesh/ids.ts";
import type { AgentCore } from "../agent/core/agent-core.ts";

/** What members export, out of all that an agent knows. */
export function exportBookOf(
  core: Pick<AgentCore, "local" | "mesh" | "catalog" | "isSettled">,
  options: {
    readonly self: MemberName;
    /** Why the charter does not let this member export from a namespace; undefined: it does. */
    readonly refusalOf: (namespace: Namespace) => string | undefined;
  },
): ExportBook & { readonly cutOff: () => string | undefined } {
  const { self, refusalOf } = options;
  const { local, mesh, catalog } = core;
  const remotes = (id: ServiceId): readonly Constituent[] =>
    (mesh.service(id)?.remotes ?? []).flatMap(({ member, endpoints, isUsable }) => {
      const record = catalog.shard(member)?.service(id);
      return record === undefined
        ? []
        : [remoteConstituent(member, { record, endpoints, isUsable })];
    });
  const cutOff = (): string | undefined => {
    const hubs = catalog.hubs();
    // Without any hub nobody is to be told.
    const isCutOff = hubs.length > 0 && !hubs.some(({ isWritable }) => isWritable);
    return isCutOff
      ? "no hub of the mesh takes writes now; it is published when one does"
      : undefined;
  };
  return {
    of: (id) => {
      const own = ownConstituent(self, local.services.get(id));
      return own === undefined ? remotes(id) : [own, ...remotes(id)];
    },
    ids: () => mesh.services(),
    pending: (id) => refusalOf(namespaceOf(id)) ?? cutOff(),
    cutOff,
    isSettled: () => core.isSettled(),
  };
}
