import { randomUUID } from "node:crypto";
import type { KubeApi, KubeObject } from "../../../src/discovery/kubernetes/kube-api.ts";
import { type ErrorCode, MeshError } from "../../../src/mesh/errors.ts";

/** The one Lease of an API server: versions, conflicts, and who cannot reach it. */
export interface LeaseStore {
  readonly connect: (name: string) => KubeApi;
  /** Names of clients whose calls fail. */
  readonly cutOff: Set<string>;
  readonly object: () => KubeObject | undefined;
  readonly delete: () => void;
}

export function createLeaseStore(): LeaseStore {
  const cutOff = new Set<string>();
  let held: KubeObject | undefined;
  let version = 0;

  const put = (object: KubeObject, uid: string): KubeObject => {
    version += 1;
    const metadata = { ...object.metadata, uid, resourceVersion: String(version) };
    held = structuredClone({ ...object, metadata });
    return held;
  };
  const refuse = (code: ErrorCode): never => {
    throw new MeshError(code, "Cannot write the lease");
  };
  const connect = (name: string): KubeApi => {
    const reach = async (): Promise<void> => {
      // As long as it takes others to get in between.
      await Promise.resolve();
      if (cutOff.has(name)) refuse("MESH_KUBE_UNREACHABLE");
    };
    const used: Pick<KubeApi, "get" | "create" | "replace"> = {
      get: async () => {
        await reach();
        return held && structuredClone(held);
      },
      create: async (_, object) => {
        await reach();
        if (held !== undefined) refuse("MESH_KUBE_CONFLICT");
        return put(object, randomUUID());
      },
      replace: async (_, object) => {
        await reach();
        if (held === undefined) refuse("MESH_KUBE_ABSENT");
        const isNewest = held?.metadata.resourceVersion === object.metadata.resourceVersion;
        return isNewest ? put(object, held?.metadata.uid ?? "") : refuse("MESH_KUBE_CONFLICT");
      },
    };
    return used as KubeApi;
  };
  return {
    connect,
    cutOff,
    object: () => held,
    delete: () => {
      held = undefined;
    },
  };
}
