import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { whyNot } from "../app/launcher/envoy/envoys.ts";
import { skipWithoutKubernetes } from "./binaries.ts";

const skip =
  skipWithoutKubernetes === false ? whyNot(process.env["ISTHMUS_ENVOY"]) : skipWithoutKubernetes;

test("npm run demo:kubernetes: two clusters carry each other's requests, and none fails", {
  skip,
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-demo-kubernetes-"));
  try {
    const file = join(dir, "result.json");
    const script = "scripts/demo-kubernetes.mjs";
    const { stdout } = await promisify(execFile)(process.execPath, [script, "--json", file]);
    const result = JSON.parse(await readFile(file, "utf8")) as Readonly<Record<string, number>>;
    assert.equal(result["failed"], 0, stdout);
    assert.ok(Number(result["requests"]) > 0);
    const imported = /cart +ClusterSetIP +\[".+"\] .*eks-us-east-1.*gke-europe-west1.* True/g;
    assert.equal([...stdout.matchAll(imported)].length, 2, stdout);
    assert.match(stdout, /cart\.shop\.svc\.clusterset\.local is 10\.96\.\S+ in gke-europe-west1/);
    assert.match(
      stdout,
      /gke-europe-west1\/cart-\S+ to spiffe:\/\/eks-us-east-1\.acme\.mesh\/ns\/shop\/sa\/frontend/,
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
