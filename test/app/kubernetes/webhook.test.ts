import assert from "node:assert/strict";
import { Agent as HttpsAgent, request } from "node:https";
import { after, before, describe, suite, test } from "node:test";
import type { WebhookConfig } from "../../../src/app/config/kubernetes/webhook-config.ts";
import { nextCaBundle } from "../../../src/app/kubernetes/webhook/ca-bundle.ts";
import { newServing } from "../../../src/app/kubernetes/webhook/serving-keeper.ts";
import { type RunningWebhook, startWebhook } from "../../../src/app/kubernetes/webhook/webhook.ts";
import {
  type KubeConnection,
  openKubeConnection,
} from "../../../src/discovery/io/kubernetes/api-access.ts";
import type { KubeApi } from "../../../src/discovery/kubernetes/kube-api.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import { createTelemetry } from "../../../src/telemetry/registry.ts";
import { RefusedError, until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { madeMesh } from "../../trust/made.ts";
import { cartPod } from "../install/inject/made-pod.ts";

const { bundle } = await madeMesh();
const realClock = { nowMs: (): number => Date.now(), monotonicMs: (): number => performance.now() };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function configFor(configuration: string): WebhookConfig {
  return {
    listen: { host: "127.0.0.1", port: 0 },
    names: ["localhost"],
    configuration,
    namespace: parseNamespace("isthmus-system"),
    image: "isthmus-sidecar:test",
    agents: [{ host: "isthmus-agent.isthmus-system.svc", port: 15_012 }],
  };
}

function start(
  api: KubeApi,
  configuration = "isthmus-injector",
  clock = realClock,
): Promise<RunningWebhook> {
  return startWebhook(configFor(configuration), {
    api,
    trustDomain: trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh")),
    bundlePem: () => bundle.pem,
    audience: "isthmus",
    telemetry: createTelemetry("agent"),
    clock,
    random: Math.random,
    log: silent,
  });
}

/** No cluster: what it is asked is refused. */
const nobody = {
  get: () => Promise.reject(new Error("nobody is there")),
  mergePatch: () => Promise.reject(new Error("nobody is there")),
} as unknown as KubeApi;

interface Reply {
  readonly status: number;
  readonly text: string;
}

async function post(
  hook: RunningWebhook,
  text: string,
  path = "/inject?timeout=5s",
): Promise<Reply> {
  // Whether its certificate holds is for the API server below.
  const agent = new HttpsAgent({ rejectUnauthorized: false });
  try {
    return await new Promise((resolve, reject) => {
      const asked = request(
        { host: "127.0.0.1", port: hook.address.port, path, method: "POST", agent },
        (reply) => {
          let body = "";
          reply.setEncoding("utf8").on("data", (chunk: string) => {
            body += chunk;
          });
          reply.on("end", () => resolve({ status: reply.statusCode ?? 0, text: body }));
        },
      );
      asked.on("error", reject).end(text);
    });
  } finally {
    agent.destroy();
  }
}

interface Answer {
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly patchType?: string;
    readonly patch?: string;
    readonly warnings?: readonly string[];
    readonly status?: { readonly message: string };
  };
}

const good = {
  uid: "0-1",
  kind: { group: "", version: "v1", kind: "Pod" },
  operation: "CREATE",
  namespace: "shop",
  object: cartPod(),
};

function reviewOf(change: object = {}): string {
  const request = { ...good, ...change };
  return JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
}

describe("POST /inject", () => {
  let hook: RunningWebhook;
  before(async () => {
    hook = await start(nobody);
  });
  after(() => hook[Symbol.asyncDispose]());

  const answerTo = async (change: object): Promise<Answer["response"]> => {
    const { text } = await post(hook, reviewOf(change));
    return (JSON.parse(text) as Answer).response;
  };

  test("answers with a patch, under the uid of the question", async () => {
    const { uid, allowed, patchType, patch = "" } = await answerTo({});
    assert.deepEqual(
      { uid, allowed, patchType },
      { uid: "0-1", allowed: true, patchType: "JSONPatch" },
    );
    const steps = JSON.parse(Buffer.from(patch, "base64").toString()) as { path: string }[];
    assert.ok(steps.some(({ path }) => path === "/spec/initContainers"));
  });

  test("lets pods that are left alone pass without a patch", async () => {
    const answer = await answerTo({ namespace: "kube-system" });
    assert.deepEqual(answer, { uid: "0-1", allowed: true });
  });

  test("warns where there can be no sidecar", async () => {
    const { allowed, patch, warnings } = await answerTo({ object: cartPod({ hostNetwork: true }) });
    assert.deepEqual([allowed, patch, warnings?.length], [true, undefined, 1]);
  });

  test("denies a pod whose annotations say nonsense, and says which", async () => {
    const { allowed, status } = await answerTo({
      object: cartPod({}, { "isthmus.dev/capture": "maybe" }),
    });
    assert.equal(allowed, false);
    assert.match(status?.message ?? "", /isthmus\.dev\/capture/);
  });

  const malformed: Readonly<Record<string, string>> = {
    "no JSON": "{",
    "a list": "[]",
    nothing: "",
    "an older version": reviewOf().replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
    "no uid": reviewOf({ uid: "" }),
    "a very long uid": reviewOf({ uid: "x".repeat(300) }),
    "another kind": reviewOf({ kind: { group: "apps", version: "v1", kind: "Deployment" } }),
    "a change": reviewOf({ operation: "UPDATE" }),
    "no object": reviewOf({ object: null }),
    "no namespace": reviewOf({ namespace: undefined }),
    "no request": '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
    "5 MB": reviewOf({ padding: "x".repeat(5_000_000) }),
  };
  for (const [what, text] of Object.entries(malformed)) {
    test(`refuses ${what}`, async () => {
      const status = await post(hook, text).then(
        (reply) => reply.status,
        // It hangs up on whoever still sends.
        () => 400,
      );
      assert.equal(status, 400);
      assert.equal((await post(hook, reviewOf())).status, 200);
    });
  }

  test("serves nothing else", async () => {
    assert.equal((await post(hook, reviewOf(), "/metrics")).status, 404);
  });
});

test("findings() tell of a webhook that API servers may not find, once that lasts", async () => {
  let nowMs = 0;
  const clock = { nowMs: realClock.nowMs, monotonicMs: () => nowMs };
  const asked = Promise.withResolvers<void>();
  const api = {
    get: () => {
      setImmediate(asked.resolve);
      return Promise.resolve(undefined);
    },
  } as unknown as KubeApi;
  await using webhook = await start(api, "gone", clock);
  await asked.promise;
  assert.deepEqual(webhook.findings(), []);
  nowMs += 30_000;
  const [finding] = webhook.findings();
  assert.equal(finding?.code, "KUBERNETES_WEBHOOK_UNKEPT");
  assert.match(finding?.message ?? "", /Cannot find MutatingWebhookConfiguration "gone"/);
});

describe("nextCaBundle()", async () => {
  const nowMs = Date.now();
  const [own, other, old] = await Promise.all([
    newServing(["localhost"], nowMs),
    newServing(["localhost"], nowMs),
    newServing(["localhost"], nowMs - 30 * 86_400_000),
  ]);
  const pems = [own.certPem];
  test("adds ours to what others put there", () => {
    assert.equal(nextCaBundle(other.certPem, { pems, nowMs }), other.certPem + own.certPem);
    assert.equal(nextCaBundle("", { pems, nowMs }), own.certPem);
    assert.equal(nextCaBundle("\n", { pems, nowMs }), own.certPem);
  });
  test("takes away what has ended, and what is none", () => {
    const present = old.certPem + other.certPem + own.certPem;
    assert.equal(nextCaBundle(present, { pems, nowMs }), other.certPem + own.certPem);
    const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert.equal(nextCaBundle(garbage + own.certPem, { pems, nowMs }), own.certPem);
  });
  test("changes nothing where all is right", () => {
    assert.equal(nextCaBundle(own.certPem + other.certPem, { pems, nowMs }), undefined);
  });
  test("keeps the youngest eight", async () => {
    const many = await Promise.all(
      Array.from({ length: 10 }, async () => (await newServing(["localhost"], nowMs)).certPem),
    );
    const next = nextCaBundle(many.join(""), { pems, nowMs });
    assert.equal(next, many.slice(-7).join("") + own.certPem);
  });
});

suite("the webhook at a real API server", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let hook: RunningWebhook;

  before(async () => {
    cluster = await startCluster({ name: "hook" });
    connection = await openKubeConnection(
      { t: "kubeconfig", path: cluster.kubeconfig() },
      { clock: realClock },
    );
    hook = await start(connection.api);
    await register(hook);
    await cluster.createNamespace("shop", { labels: { "isthmus.dev/inject": "enabled" } });
    const accounts = "/api/v1/namespaces/shop/serviceaccounts";
    await cluster.api.call("POST", accounts, { metadata: { name: "cart" } });
    await until("the caBundle is there", async () => (await bundles()).every((pem) => pem !== ""));
  });
  after(async () => {
    await hook?.[Symbol.asyncDispose]();
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

  /** As deploy/ has it, by URL; without a bundle. */
  async function register({ address }: RunningWebhook): Promise<void> {
    const neverThere = {
      key: "kubernetes.io/metadata.name",
      operator: "NotIn",
      values: ["kube-system", "isthmus-system"],
    };
    await cluster.api.call("POST", path, {
      metadata: { name: "isthmus-injector" },
      webhooks: [
        {
          name: "namespaces.inject.isthmus.dev",
          failurePolicy: "Fail",
          namespaceSelector: {
            matchExpressions: [
              { key: "isthmus.dev/inject", operator: "In", values: ["enabled"] },
              neverThere,
            ],
          },
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          reinvocationPolicy: "IfNeeded",
          timeoutSeconds: 10,
          clientConfig: { url: `https://localhost:${address.port}/inject` },
          rules: [
            { apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], operations: ["CREATE"] },
          ],
        },
      ],
    });
  }

  async function bundles(): Promise<readonly string[]> {
    const { webhooks } = await cluster.api.call<{
      webhooks: { clientConfig: { caBundle?: string } }[];
    }>("GET", `${path}/isthmus-injector`);
    return webhooks.map(({ clientConfig }) => clientConfig.caBundle ?? "");
  }

  async function create(pod: object): Promise<Readonly<Record<string, unknown>>> {
    const { spec } = await cluster.api.call<{ spec: Record<string, unknown> }>(
      "POST",
      "/api/v1/namespaces/shop/pods?fieldValidation=Strict",
      pod,
    );
    return spec;
  }

  const named = (name: string, pod: Readonly<Record<string, unknown>>): object => ({
    ...pod,
    metadata: { ...(pod["metadata"] as object), name },
  });

  test("pods of an enabled namespace get their sidecar, and the API server takes it as it is", async () => {
    let spec: Readonly<Record<string, unknown>> = {};
    await until("the API server believes the certificate", async () => {
      spec = await create(named("cart-0", cartPod())).catch((thrown: unknown) => {
        if (thrown instanceof RefusedError && /x509|certificate/.test(thrown.message)) return {};
        throw thrown;
      });
      return "initContainers" in spec;
    });
    const containers = spec["initContainers"] as { name: string; restartPolicy?: string }[];
    assert.deepEqual(
      containers.map(({ name, restartPolicy }) => [name, restartPolicy]),
      [
        ["isthmus-capture", undefined],
        ["isthmus-sidecar", "Always"],
      ],
    );
  });

  test("a pod's own label goes before its namespace's", async () => {
    const pod = cartPod({}, {}, { "isthmus.dev/inject": "disabled" });
    const spec = await create(named("without", pod));
    assert.equal(spec["initContainers"], undefined);
  });

  test("a pod that has its sidecar gets no second one", async () => {
    const { spec } = await cluster.api.call<{ spec: object }>(
      "GET",
      "/api/v1/namespaces/shop/pods/cart-0",
    );
    const again = await create(named("cart-1", { ...cartPod(), spec }));
    assert.equal((again["initContainers"] as unknown[]).length, 2);
  });

  test("a pod with a wrong annotation is refused with its name", async () => {
    const pod = cartPod({}, { "isthmus.dev/exclude-inbound-ports": "http" });
    await assert.rejects(create(named("wrong", pod)), /isthmus\.dev\/exclude-inbound-ports/);
  });

  test("the sidecar passes a namespace that is restricted, where nodes capture", async () => {
    await cluster.api.call("PATCH", "/api/v1/namespaces/shop", {
      metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    const locked = {
      allowPrivilegeEscalation: false,
      runAsNonRoot: true,
      runAsUser: 1000,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    };
    const container = { name: "app", image: "cart", securityContext: locked };
    const pod = cartPod({ containers: [container] }, { "isthmus.dev/capture": "none" });
    const spec = await create(named("locked", pod));
    assert.equal((spec["initContainers"] as unknown[]).length, 1);
    await cluster.api.call("PATCH", "/api/v1/namespaces/shop", {
      metadata: { labels: { "pod-security.kubernetes.io/enforce": null } },
    });
  });

  test("a bundle that somebody took away comes back, and a second agent keeps the first one's", async () => {
    await cluster.api.call(
      "PATCH",
      `${path}/isthmus-injector`,
      [{ op: "remove", path: "/webhooks/0/clientConfig/caBundle" }],
      "application/json-patch+json",
    );
    await until("it is back", async () => (await bundles()).every((pem) => pem !== ""));
    await using _second = await start(connection.api);
    const certificates = async (): Promise<number> =>
      Buffer.from((await bundles())[0] ?? "", "base64")
        .toString()
        .split("BEGIN").length - 1;
    await until("both are in it", async () => (await certificates()) === 2);
  });
});
