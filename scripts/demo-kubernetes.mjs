// `npm run demo:kubernetes [-- --engine embedded] [-- --json FILE]`: two real API servers with what deploy/ puts into them,
// and agents, gateways and sidecars as processes. All of it runs in a network namespace of its own, as
// pods have addresses that this machine does not.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { provideEnvoy } from "./envoy.mjs";
import { provideKubernetes } from "./kubernetes.mjs";
import { node24 } from "./node24.mjs";

const isRoot = process.getuid?.() === 0;
// Whoever is not root is it inside: enough to give the namespace's loopback addresses.
const enter = ["unshare", ...(isRoot ? ["--net"] : ["--map-root-user", "--net"]), "--"];

/** @returns {string | undefined} why there can be no namespace */
function whyNoNamespace() {
  const tried = spawnSync(enter[0], [...enter.slice(1), "ip", "link", "set", "lo", "up"], {
    encoding: "utf8",
  });
  if (tried.status === 0) return undefined;
  return tried.error?.message ?? tried.stderr.trim();
}

async function main() {
  const reason = whyNoNamespace();
  if (reason !== undefined) {
    console.error(
      `Cannot open a network namespace: ${reason}; this needs Linux with iproute2 and util-linux, and root or unprivileged user namespaces`,
    );
    return 69;
  }
  const env = { ISTHMUS_KUBERNETES: await provideKubernetes(), ISTHMUS_ENVOY: provideEnvoy() };
  const demo = fileURLToPath(new URL("../test/kube/demo/demo.ts", import.meta.url));
  const result = spawnSync(
    enter[0],
    [...enter.slice(1), node24(), demo, ...process.argv.slice(2)],
    {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      env: { ...process.env, ...env },
      stdio: "inherit",
    },
  );
  return result.status ?? 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 69;
}
