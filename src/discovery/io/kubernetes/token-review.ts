import { reasonOf } from "../../../mesh/errors.ts";
import type { ProvenAccount, TokenVerdict, VerifyToken } from "../../../mesh/token.ts";
import type { KubeApi, TokenVerdict as Review } from "../../kubernetes/kube-api.ts";

type Authenticated = Extract<Review, { readonly t: "authenticated" }>;

/**
 * Judges tokens by asking the API server, which knows whether the pod and the account still exist. It remembers
 * its own answers for up to ten seconds.
 */
export function verifyByReview(options: {
  readonly api: Pick<KubeApi, "reviewToken">;
  readonly audience: string;
}): VerifyToken {
  const { api, audience } = options;
  return async (token) => {
    try {
      return verdictOf(await api.reviewToken(token, [audience]), audience);
    } catch (thrown) {
      return { t: "unknown", reason: reasonOf(thrown) };
    }
  };
}

function verdictOf(review: Review, audience: string): TokenVerdict {
  // Its own words may quote what it was given.
  if (review.t === "refused") {
    return refused("MESH_TOKEN_UNTRUSTED", "the API server does not authenticate it");
  }
  // An API server that knows nothing of audiences leaves them out.
  if (!review.audiences.includes(audience)) {
    return refused("MESH_TOKEN_AUDIENCE", "it is meant for somebody else");
  }
  const account = accountOf(review);
  if (account === undefined) {
    return refused("MESH_TOKEN_UNBOUND", "it is not that of a pod's service account");
  }
  return { t: "proven", account };
}

const accountName = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/;

function accountOf({ username, uid, extra }: Authenticated): ProvenAccount | undefined {
  const [, namespace, serviceAccount] = accountName.exec(username) ?? [];
  const pod = objectIn(extra, "pod");
  const isWhole = namespace !== undefined && serviceAccount !== undefined && uid !== undefined;
  if (!isWhole || pod === undefined) return undefined;
  const node = objectIn(extra, "node");
  return {
    namespace,
    serviceAccount,
    serviceAccountUid: uid,
    pod,
    ...(node === undefined ? {} : { node }),
  };
}

function objectIn(
  extra: Authenticated["extra"],
  kind: "pod" | "node",
): ProvenAccount["pod"] | undefined {
  const [name] = extra[`authentication.kubernetes.io/${kind}-name`] ?? [];
  const [uid] = extra[`authentication.kubernetes.io/${kind}-uid`] ?? [];
  return name === undefined || uid === undefined ? undefined : { name, uid };
}

function refused(
  code: Extract<TokenVerdict, { readonly t: "refused" }>["code"],
  reason: string,
): TokenVerdict {
  return { t: "refused", code, reason };
}
