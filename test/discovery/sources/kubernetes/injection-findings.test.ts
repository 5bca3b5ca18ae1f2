import assert from "node:assert/strict";
import { test } from "node:test";
import { injectionFindings } from "../../../../src/discovery/sources/kubernetes/injection-findings.ts";
import {
  type KubeNamespace,
  readNamespace,
} from "../../../../src/discovery/sources/kubernetes/nodes.ts";
import {
  createPodBook,
  type PodBook,
} from "../../../../src/discovery/sources/kubernetes/pod-book.ts";
import { readPod } from "../../../../src/discovery/sources/kubernetes/pods.ts";

const label = "isthmus.dev/inject";

function namespacesWith(
  words: Readonly<Record<string, string>>,
): ReadonlyMap<string, KubeNamespace> {
  return new Map(
    Object.entries(words).map(([name, word]) => [
      name,
      readNamespace(name, { metadata: { name, labels: { [label]: word } } }),
    ]),
  );
}

const enabled = namespacesWith({
  shop: "enabled",
  "kube-system": "enabled",
  "isthmus-system": "enabled",
});

function put(
  book: PodBook,
  key: string,
  wish: { readonly deployment?: string; readonly label?: string; readonly sidecar?: true } = {},
): void {
  const { deployment, sidecar } = wish;
  const owner = { kind: "ReplicaSet", name: `${deployment}-5f7`, controller: true };
  const pod = readPod(key, {
    metadata: {
      uid: `uid-${key}`,
      labels: {
        "pod-template-hash": "5f7",
        ...(wish.label === undefined ? {} : { [label]: wish.label }),
      },
      ...(deployment === undefined ? {} : { ownerReferences: [owner] }),
    },
    spec: { containers: sidecar === undefined ? [] : [{ name: "isthmus-sidecar" }] },
  });
  assert.ok(pod !== undefined);
  book.put(pod);
}

function findingsIn(book: PodBook, namespaces = enabled): ReturnType<typeof injectionFindings> {
  return injectionFindings(book.uninjected(namespaces));
}

test("1,000 pods of one Deployment are one finding, with three of them and what to do", () => {
  const book = createPodBook();
  for (let index = 999; index >= 0; index -= 1) {
    put(book, `shop/cart-5f7-${String(index).padStart(3, "0")}`, { deployment: "cart" });
  }
  const [finding, ...others] = findingsIn(book);
  assert.deepEqual(others, []);
  assert.equal(finding?.code, "SOURCE_POD_NOT_INJECTED");
  assert.equal(finding.subject, "Deployment/shop/cart");
  assert.match(
    finding.message,
    /^1000 pods were made without .*kubectl -n shop rollout restart deployment\/cart\./,
  );
  assert.ok(
    finding.message.endsWith("Pods: cart-5f7-000, cart-5f7-001, cart-5f7-002 and 997 more"),
  );
});

test("pods that nobody can restart are one finding for their namespace", () => {
  const book = createPodBook();
  put(book, "shop/one");
  put(book, "shop/two");
  put(book, "shop/cart-1", { deployment: "cart" });
  const subjects = findingsIn(book).map(({ subject }) => subject);
  assert.deepEqual(subjects.sort(), ["Deployment/shop/cart", "Namespace/shop"]);
});

test("a pod's own label goes before its namespace's", () => {
  const book = createPodBook();
  put(book, "shop/no", { label: "disabled" });
  put(book, "bank/yes", { label: "enabled" });
  put(book, "bank/other");
  const [finding, ...others] = findingsIn(book);
  assert.deepEqual(others, []);
  assert.ok(finding?.message.endsWith("Pods: yes"), finding?.message);
});

test("nobody is asked in namespaces that the cluster and the mesh need to start", () => {
  const book = createPodBook();
  for (const namespace of ["kube-system", "isthmus-system"]) {
    put(book, `${namespace}/one`);
    put(book, `${namespace}/two`, { label: "enabled" });
  }
  assert.deepEqual(findingsIn(book), []);
});

test("a finding goes with the label, with the pod, and when the pod is made anew with its sidecar", () => {
  const book = createPodBook();
  put(book, "shop/a");
  put(book, "shop/b");
  put(book, "shop/c", { label: "enabled" });
  const pods = (namespaces = enabled): string | undefined =>
    findingsIn(book, namespaces)[0]?.message.split("Pods: ")[1];
  assert.equal(pods(), "a, b, c");
  assert.equal(pods(namespacesWith({ shop: "disabled" })), "c");
  book.remove("shop/c");
  assert.equal(pods(), "a, b");
  put(book, "shop/b", { sidecar: true });
  assert.equal(pods(), "a");
  put(book, "shop/a", { label: "disabled" });
  assert.deepEqual(findingsIn(book), []);
});
