import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The folder with etcd, kube-apiserver, kube-controller-manager and kubectl: `scripts/kubernetes.mjs` builds them. */
export const kubernetesDir: string = process.env["ISTHMUS_KUBERNETES"] ?? cachedDir();

export function programAt(name: "etcd" | "kube-apiserver" | "kube-controller-manager"): string {
  return join(kubernetesDir, name);
}

/** `npm test` provides them; without them tests skip, unless in CI. */
export const skipWithoutKubernetes: string | false =
  existsSync(join(kubernetesDir, "kubectl")) || process.env["CI"] !== undefined
    ? false
    : "needs a Kubernetes: node scripts/kubernetes.mjs builds it";

function cachedDir(): string {
  const text = readFileSync(join(import.meta.dirname, "go.mod"), "utf8");
  const [, version] = /k8s\.io\/kubernetes v(\S+)/.exec(text) ?? [];
  const cache = process.env["ISTHMUS_CACHE"] ?? join(homedir(), ".cache/isthmus");
  return join(cache, `kubernetes-${version}`);
}
