// The webhook's certificate at half its life, with a clock that is turned: an API server never doubts it.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";
import { connect } from "node:tls";
import { type RunningWebhook, startWebhook } from "../../../src/app/kubernetes/webhook/webhook.ts";
import { realClock } from "../../../src/app/real-time.ts";
import {
  type KubeConnection,
  openKubeConnection,
} from "../../../src/discovery/io/kubernetes/api-access.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import { createTelemetry } from "../../../src/telemetry/registry.ts";
import { until } from "../../kube/admin-client.ts";
import { skipWithoutKubernetes } from "../../kube/binaries.ts";
import { type KubeCluster, startCluster } from "../../kube/cluster.ts";
import { madeMesh } from "../../trust/made.ts";
import { cartPod } from "../install/inject/made-pod.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const name = "isthmus-injector";
const path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const dayMs = 86_400_000;
/** Of the first certificate; half of its seven days have passed. */
const ageMs = 4 * dayMs;
// As `spreadMs` of the keeper.
const spreadMs = 30_000;

suite("the webhook's certificate at half its life", { skip: skipWithoutKubernetes }, () => {
  let cluster: KubeCluster;
  let connection: KubeConnection;
  let hook: RunningWebhook;
  // The first certificate is made four days ago.
  let behindMs = ageMs;
  let monotonicMs = 0;
  let first: X509Certificate;

  before(async () => {
    cluster = await startCluster({ name: "turn", controllers: false });
    connection = await openKubeConnection(
      { t: "kubeconfig", path: cluster.kubeconfig() },
      { clock: realClock },
    );
    const { bundle } = await madeMesh();
    hook = await startWebhook(
      {
        listen: { host: "127.0.0.1", port: 0 },
        names: ["localhost"],
        configuration: name,
        namespace: parseNamespace("isthmus-system"),
        image: "isthmus-sidecar:test",
        agents: [{ host: "isthmus-agent.isthmus-system.svc", port: 15_012 }],
      },
      {
        api: connection.api,
        trustDomain: trustDomainOf(parseMemberName("east"), parseMeshDomain("acme.mesh")),
        bundlePem: () => bundle.pem,
        audience: "isthmus",
        telemetry: createTelemetry("agent"),
        clock: { nowMs: () => Date.now() - behindMs, monotonicMs: () => monotonicMs },
        random: () => 0.5,
        log: silent,
      },
    );
    await cluster.api.call("POST", path, {
      metadata: { name },
      webhooks: [
        {
          name: "namespaces.inject.isthmus.dev",
          failurePolicy: "Fail",
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          clientConfig: { url: `https://localhost:${hook.address.port}/inject` },
          rules: [
            { apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], operations: ["CREATE"] },
          ],
        },
      ],
    });
    await cluster.createNamespace("shop");
    await cluster.api.call("POST", "/api/v1/namespaces/shop/serviceaccounts", {
      metadata: { name: "cart" },
    });
    first = await shown();
  });
  after(async () => {
    await hook?.[Symbol.asyncDispose]();
    await connection?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  /** What it shows to whoever connects now. */
  async function shown(): Promise<X509Certificate> {
    const socket = connect({ ...hook.address, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    return certificate ?? assert.fail("it shows none");
  }

  /** Those that an API server believes, by fingerprint. */
  async function believed(): Promise<readonly string[]> {
    const { webhooks } = await cluster.api.call<{
      webhooks: { clientConfig: { caBundle?: string } }[];
    }>("GET", `${path}/${name}`);
    const pem = Buffer.from(webhooks[0]?.clientConfig.caBundle ?? "", "base64").toString();
    const blocks = pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
    return blocks.map((block) => new X509Certificate(block).fingerprint256);
  }

  const create = (pod: string): Promise<unknown> =>
    cluster.api.call("POST", "/api/v1/namespaces/shop/pods", {
      ...cartPod(),
      metadata: { name: pod },
    });

  /** A pod that goes by the webhook; an API server takes a changed bundle over within a second. */
  async function untilInjected(pod: string): Promise<void> {
    await until(`${pod} has its sidecar`, async () => {
      await create(pod);
      return true;
    });
    const { spec } = await cluster.api.call<{ spec: { initContainers?: unknown[] } }>(
      "GET",
      `/api/v1/namespaces/shop/pods/${pod}`,
    );
    assert.equal(spec.initContainers?.length, 2);
  }

  test("before that, it is the only one", async () => {
    await untilInjected("early");
    assert.deepEqual(await believed(), [first.fingerprint256]);
  });

  test("the next one is believed before it is shown", async () => {
    behindMs = 0;
    await until("both are believed", async () => (await believed()).length === 2);
    assert.equal((await believed())[0], first.fingerprint256);
    assert.equal((await shown()).fingerprint256, first.fingerprint256);
    await untilInjected("between");
  });

  test("then it is shown, and the one before stays believed while it counts", async () => {
    monotonicMs += spreadMs;
    await until("it is shown", async () => (await shown()).fingerprint256 !== first.fingerprint256);
    const next = await shown();
    assert.deepEqual(await believed(), [first.fingerprint256, next.fingerprint256]);
    assert.ok(next.validToDate.getTime() > first.validToDate.getTime() + 3 * dayMs);
    await untilInjected("late");
  });
});
