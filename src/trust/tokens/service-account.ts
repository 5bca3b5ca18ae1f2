import { fieldOf } from "../../mesh/json-map.ts";
import type { BoundObject, ProvenAccount } from "../../mesh/token.ts";
import { textField } from "./fields.ts";
import { type Refused, refused } from "./refusal.ts";

/**
 * Reads whom the verified claims of a token name. A token that is bound to no pod is refused: whoever may
 * read a Secret or create tokens could ask for an identity without running anything.
 * Source: Kubernetes, service account token structure.
 */
export function accountOf(
  claims: unknown,
): { readonly t: "ok"; readonly account: ProvenAccount } | Refused {
  const own = fieldOf(claims, "kubernetes.io");
  const namespace = textField(own, "namespace");
  const serviceAccount = objectIn(own, "serviceaccount");
  if (namespace === undefined || serviceAccount === undefined) {
    return refused("MESH_TOKEN_MALFORMED", "it names no service account");
  }
  if (fieldOf(claims, "sub") !== `system:serviceaccount:${namespace}:${serviceAccount.name}`) {
    return refused("MESH_TOKEN_MALFORMED", "its subject is another account than its claims");
  }
  const pod = objectIn(own, "pod");
  if (pod === undefined) return refused("MESH_TOKEN_UNBOUND", "it is not bound to a pod");
  const node = objectIn(own, "node");
  return {
    t: "ok",
    account: {
      namespace,
      serviceAccount: serviceAccount.name,
      serviceAccountUid: serviceAccount.uid,
      pod,
      ...(node === undefined ? {} : { node }),
    },
  };
}

function objectIn(claims: unknown, kind: string): BoundObject | undefined {
  const object = fieldOf(claims, kind);
  const [name, uid] = [textField(object, "name"), textField(object, "uid")];
  return name === undefined || uid === undefined ? undefined : { name, uid };
}
