import type { Secret } from "../../mesh/secret.ts";

/** Which objects are meant: `{ group: "", version: "v1", resource: "services" }`. */
export interface ResourceType {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural of paths, `endpointslices`. */
  readonly resource: string;
}

/** One object of a type; without a namespace it belongs to the whole cluster. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** Plain JSON as the API server writes it; what is below `metadata` is not checked. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export interface ListWish {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  /** `next` of the page before. */
  readonly from?: string;
}

export interface ListPage {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
  /** There is more: the next page begins here. */
  readonly next?: string;
}

/** Which half of an object is written. */
export interface WriteOptions {
  readonly subresource?: "status";
}

export interface ApplyOptions extends WriteOptions {
  /** Who owns the fields that are named. */
  readonly fieldManager: string;
  /** Takes fields from others; else they answer MESH_KUBE_CONFLICT. */
  readonly force?: boolean;
}

export interface DeleteWish {
  /** Only this very object, not one that was made in its place. */
  readonly uid?: string;
  /** Only when nobody has changed it since. */
  readonly resourceVersion?: string;
  readonly propagation?: "Foreground" | "Background" | "Orphan";
}

/** Whether a request would be allowed; `resource` may carry a subresource, `services/status`. */
export interface AccessQuestion {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
}

export interface AccessUser {
  readonly user: string;
  readonly groups?: readonly string[];
}

/** What an API server says of a token. */
export type TokenVerdict =
  | { readonly t: "refused"; readonly reason: string }
  | {
      readonly t: "authenticated";
      /** `system:serviceaccount:NAMESPACE:NAME` */
      readonly username: string;
      readonly uid?: string;
      readonly groups: readonly string[];
      /** Those asked for that the token is meant for. */
      readonly audiences: readonly string[];
      /** `authentication.kubernetes.io/pod-name` and the like. */
      readonly extra: Readonly<Record<string, readonly string[]>>;
    };

/**
 * What may be asked of one API server, each call under a deadline. All throw: MESH_KUBE_UNREACHABLE (no answer, or it is
 * overloaded), MESH_KUBE_UNAUTHORIZED (who we are), MESH_KUBE_FORBIDDEN (which right is missing), MESH_KUBE_ABSENT (type,
 * namespace or object is not there), MESH_KUBE_CONFLICT (exists, or changed meanwhile), MESH_KUBE_GONE (a page or version
 * that is too old), MESH_KUBE_INVALID (what the server finds wrong with the object).
 */
export interface KubeApi {
  /** Undefined when there is no such object; a type that does not exist throws. */
  readonly get: (type: ResourceType, ref: ObjectRef) => Promise<KubeObject | undefined>;
  readonly list: (type: ResourceType, wish: ListWish) => Promise<ListPage>;
  /** `metadata` says where; unknown fields are refused, not dropped. */
  readonly create: (type: ResourceType, object: KubeObject) => Promise<KubeObject>;
  /** Replaces what has the resourceVersion in `metadata`. */
  readonly replace: (
    type: ResourceType,
    object: KubeObject,
    options?: WriteOptions,
  ) => Promise<KubeObject>;
  /** Server-side apply: creates, or changes the fields that are named. */
  readonly apply: (
    type: ResourceType,
    object: KubeObject,
    options: ApplyOptions,
  ) => Promise<KubeObject>;
  /** A `null` removes a field. */
  readonly mergePatch: (
    type: ResourceType,
    ref: ObjectRef,
    change: { readonly patch: object } & WriteOptions,
  ) => Promise<KubeObject>;
  /** False when it was not there. */
  readonly remove: (type: ResourceType, ref: ObjectRef, wish?: DeleteWish) => Promise<boolean>;
  readonly reviewToken: (token: Secret, audiences: readonly string[]) => Promise<TokenVerdict>;
  /** May we, or may that user? */
  readonly isAllowed: (question: AccessQuestion, user?: AccessUser) => Promise<boolean>;
  /** Text of a path outside of any type, `/version` or `/openid/v1/jwks`. */
  readonly getText: (path: string) => Promise<string>;
}
