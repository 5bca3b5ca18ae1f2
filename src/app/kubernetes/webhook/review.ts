import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { isMap, type JsonMap } from "../../../mesh/json-map.ts";
import type { InjectionSettings } from "../../install/inject/containers.ts";
import { decideInjection, type LeaveReason } from "../../install/inject/decide.ts";
import { injectPod, patchFor } from "../../install/inject/inject-pod.ts";
import { mapIn, textIn } from "../../install/inject/pod.ts";

export type ReviewResult = "injected" | "refused" | "denied" | `left-${LeaveReason}`;

/** What is answered to a review, and what became of its pod. */
export interface ReviewAnswer {
  readonly body: JsonMap;
  readonly result: ReviewResult;
}

interface Review {
  readonly uid: string;
  readonly namespace: string;
  readonly pod: JsonMap;
}

/**
 * Answers one AdmissionReview (admission.k8s.io/v1). Throws MESH_USAGE for a text that is none: the API server
 * then does what the failure policy says.
 */
export function answerReview(text: string, settings: InjectionSettings): ReviewAnswer {
  const review = readReview(text);
  const { namespace, pod } = review;
  const { ownNamespace } = settings;
  const decision = decideInjection(pod, { namespace, ownNamespace });
  switch (decision.t) {
    case "leave":
      return { body: allowed(review, {}), result: `left-${decision.reason}` };
    case "refuse": {
      const warnings = [`isthmus: ${decision.reason}`];
      return { body: allowed(review, { warnings }), result: "refused" };
    }
    case "inject":
      return inject(review, settings);
  }
}

function inject(review: Review, settings: InjectionSettings): ReviewAnswer {
  try {
    const injected = injectPod(review.pod, settings);
    const { warnings } = injected;
    const patch = Buffer.from(JSON.stringify(patchFor(injected))).toString("base64");
    const change = { patchType: "JSONPatch", patch };
    const body = allowed(review, warnings.length === 0 ? change : { ...change, warnings });
    return { body, result: "injected" };
  } catch (thrown) {
    // Started without what its annotations ask for, it would look as if it had it.
    if (!(thrown instanceof MeshError)) throw thrown;
    const status = { code: 400, reason: "BadRequest", message: reasonOf(thrown) };
    return { body: answered(review, { allowed: false, status }), result: "denied" };
  }
}

function allowed(review: Review, more: JsonMap): JsonMap {
  return answered(review, { allowed: true, ...more });
}

function answered({ uid }: Review, response: JsonMap): JsonMap {
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: { uid, ...response },
  };
}

const maxUidBytes = 256;

function readReview(text: string): Review {
  const review = parseJson(text);
  if (review["kind"] !== "AdmissionReview" || review["apiVersion"] !== "admission.k8s.io/v1") {
    return refuse("it is no AdmissionReview of admission.k8s.io/v1");
  }
  const request = mapIn(review, "request");
  const uid = textIn(request, "uid") ?? "";
  if (uid === "" || uid.length > maxUidBytes) return refuse("its request has no uid");
  const kind = mapIn(request, "kind");
  const isPod = kind["group"] === "" && kind["version"] === "v1" && kind["kind"] === "Pod";
  if (!isPod || request["operation"] !== "CREATE") return refuse("it is about no new pod");
  const pod = request["object"];
  if (!isMap(pod)) return refuse("it holds no pod");
  // Pods are often written without: the request says where they go.
  const namespace = textIn(request, "namespace");
  if (namespace === undefined) return refuse("it names no namespace");
  return { uid, namespace, pod };
}

function parseJson(text: string): JsonMap {
  try {
    const parsed: unknown = JSON.parse(text);
    return isMap(parsed) ? parsed : refuse("it is no JSON object");
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    return refuse("it is not JSON", cause);
  }
}

function refuse(truth: string, cause?: unknown): never {
  throw new MeshError("MESH_USAGE", `Cannot answer review: ${truth}`, { cause });
}
