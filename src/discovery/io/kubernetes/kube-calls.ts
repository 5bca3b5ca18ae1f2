import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type {
  AccessQuestion,
  AccessUser,
  KubeApi,
  KubeObject,
  ListPage,
  ResourceType,
} from "../../kubernetes/kube-api.ts";
import { collectionPath, listPath, objectPath, objectText } from "../../kubernetes/kube-paths.ts";
import { isObjectAbsent, refusedError } from "../../kubernetes/refusal.ts";
import { readAccessReview, readTokenReview } from "../../kubernetes/review.ts";
import type { ApiCall, Transport } from "./transport.ts";

// What the server does not know is a mistake of ours or an old CRD: dropped in silence it would be lost.
const strict = "fieldValidation=Strict";
const tokenReviews = { group: "authentication.k8s.io", version: "v1", resource: "tokenreviews" };
const access = { group: "authorization.k8s.io", version: "v1" };

/** The port over HTTP; each call has `deadlineMs`. */
export function createKubeApi(transport: Transport, deadlineMs: number): KubeApi {
  const text = async (call: Omit<ApiCall, "deadlineMs">): Promise<string> => {
    const answer = await transport.send({ ...call, deadlineMs });
    if (answer.t === "refused") throw refusedError(answer, call.what);
    return answer.text;
  };
  const object = async (call: Omit<ApiCall, "deadlineMs">): Promise<KubeObject> =>
    parsed(await text(call), call.what);
  const review = (resource: ResourceType, spec: object): Promise<KubeObject> =>
    object({
      method: "POST",
      path: collectionPath(resource),
      what: `create ${objectText(resource, {})}`,
      body: { apiVersion: `${resource.group}/${resource.version}`, kind: kindOf(resource), spec },
    });

  return {
    get: async (type, ref) => {
      const what = `get ${objectText(type, ref)}`;
      const call = { method: "GET", path: objectPath(type, ref), what, deadlineMs } as const;
      const answer = await transport.send(call);
      if (answer.t === "ok") return parsed(answer.text, what);
      if (isObjectAbsent(answer)) return undefined;
      throw refusedError(answer, what);
    },
    list: async (type, wish) => {
      const place = wish.namespace === undefined ? {} : { namespace: wish.namespace };
      const what = `list ${objectText(type, place)}`;
      const list = await object({ method: "GET", path: listPath(type, wish), what });
      return pageOf(list, what);
    },
    create: (type, body) => {
      const path = `${collectionPath(type, body.metadata.namespace)}?${strict}`;
      return object({
        method: "POST",
        path,
        what: `create ${objectText(type, body.metadata)}`,
        body,
      });
    },
    replace: (type, body, { subresource } = {}) => {
      const path = `${objectPath(type, body.metadata, subresource)}?${strict}`;
      return object({
        method: "PUT",
        path,
        what: `replace ${objectText(type, body.metadata)}`,
        body,
      });
    },
    apply: (type, body, { subresource, fieldManager, force = false }) => {
      const query = new URLSearchParams({ fieldManager, force: String(force) });
      return object({
        method: "PATCH",
        path: `${objectPath(type, body.metadata, subresource)}?${query.toString()}&${strict}`,
        what: `apply ${objectText(type, body.metadata)}`,
        body,
        // JSON is YAML.
        contentType: "application/apply-patch+yaml",
      });
    },
    mergePatch: (type, ref, { patch, subresource }) =>
      object({
        method: "PATCH",
        path: `${objectPath(type, ref, subresource)}?${strict}`,
        what: `patch ${objectText(type, ref)}`,
        body: patch,
        contentType: "application/merge-patch+json",
      }),
    remove: async (type, ref, { uid, resourceVersion, propagation } = {}) => {
      const what = `delete ${objectText(type, ref)}`;
      const body = {
        apiVersion: "v1",
        kind: "DeleteOptions",
        preconditions: { uid, resourceVersion },
        propagationPolicy: propagation,
      };
      const path = objectPath(type, ref);
      const answer = await transport.send({ method: "DELETE", path, what, body, deadlineMs });
      if (answer.t === "ok") return true;
      if (isObjectAbsent(answer)) return false;
      throw refusedError(answer, what);
    },
    reviewToken: async (token, audiences) =>
      readTokenReview(await review(tokenReviews, { token: token.reveal(), audiences })),
    isAllowed: async (question, user) => readAccessReview(await askAccess(review, question, user)),
    getText: (path) => text({ method: "GET", path, what: `get "${path}"` }),
  };
}

function askAccess(
  review: (type: ResourceType, spec: object) => Promise<KubeObject>,
  question: AccessQuestion,
  user: AccessUser | undefined,
): Promise<KubeObject> {
  const { resource, ...rest } = question;
  const [plural = "", subresource] = resource.split("/");
  const resourceAttributes = { ...rest, resource: plural, subresource };
  return user === undefined
    ? review({ ...access, resource: "selfsubjectaccessreviews" }, { resourceAttributes })
    : review({ ...access, resource: "subjectaccessreviews" }, { resourceAttributes, ...user });
}

function kindOf({ resource }: ResourceType): string {
  const kinds: Readonly<Record<string, string>> = {
    tokenreviews: "TokenReview",
    subjectaccessreviews: "SubjectAccessReview",
    selfsubjectaccessreviews: "SelfSubjectAccessReview",
  };
  return kinds[resource] ?? "";
}

function pageOf(list: KubeObject, what: string): ListPage {
  const { items } = list;
  if (!Array.isArray(items)) throw unreadable(what);
  const { continue: next, resourceVersion = "" } = list.metadata;
  return {
    items: items as readonly KubeObject[],
    resourceVersion,
    ...(typeof next === "string" && next !== "" ? { next } : {}),
  };
}

function parsed(text: string, what: string): KubeObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unreadable(what, cause);
  }
  if (!hasMetadata(value)) throw unreadable(what);
  return value;
}

function hasMetadata(value: unknown): value is KubeObject {
  if (typeof value !== "object" || value === null || !("metadata" in value)) return false;
  return typeof value.metadata === "object" && value.metadata !== null;
}

/** Some proxy or portal in between, mostly. */
function unreadable(what: string, cause?: unknown): MeshError {
  const reason = cause === undefined ? "" : ` (${reasonOf(cause).slice(0, 100)})`;
  const message = `Cannot ${what}: the answer is none of an API server${reason}`;
  return new MeshError("MESH_KUBE_UNREACHABLE", message, { cause });
}
