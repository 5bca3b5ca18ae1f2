// Types what the README says of Kubernetes, word for word, at a real API server.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { until } from "../kube/admin-client.ts";
import { kubernetesDir, skipWithoutKubernetes } from "../kube/binaries.ts";
import { startCluster } from "../kube/cluster.ts";
import { commandsUnder } from "./readme.ts";

interface Pod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly containers: readonly { readonly image: string }[] };
}

const skip = skipWithoutKubernetes;

test("README's Kubernetes: typed as it stands, a cluster has agents and gateways to run", {
  skip,
}, async () => {
  await using cluster = await startCluster({ name: "readme" });
  const dir = await mkdtemp(join(tmpdir(), "isthmus-readme-"));
  try {
    await mkdir(join(dir, "bin"));
    await symlink(join(process.cwd(), "bin/isthmus.mjs"), join(dir, "bin/isthmus"));
    const typed = commandsUnder("## On Kubernetes", await readFile("README.md", "utf8"));
    const script = `set -e
isthmus trust init --mesh acme.mesh --dir root
echo secret > hub.password
${typed}`;
    const path = [join(dir, "bin"), dirname(process.execPath), kubernetesDir, process.env["PATH"]];
    await promisify(execFile)("bash", ["-c", script], {
      cwd: dir,
      env: { PATH: path.join(delimiter), HOME: dir, KUBECONFIG: cluster.kubeconfig() },
    });
    const place = "/api/v1/namespaces/isthmus-system";
    await until("all pods are there", async () => {
      const { items } = await cluster.api.call<{ items: readonly Pod[] }>("GET", `${place}/pods`);
      const images = items.flatMap(({ spec }) => spec.containers.map(({ image }) => image));
      assert.deepEqual([...new Set(images)], ["registry.acme.example/isthmus:0.1.0"]);
      return items.length === 5;
    });
    const secret = await cluster.api.call<{ data: object }>(
      "GET",
      `${place}/secrets/isthmus-trust`,
    );
    assert.deepEqual(Object.keys(secret.data).sort(), [
      "bundle.pem",
      "charter.json",
      "member.key",
      "member.pem",
    ]);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
