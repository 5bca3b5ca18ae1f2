// Provides what tests or benchmarks need beyond npm packages: `node scripts/provide.mjs [test|bench]`.
// As root on a Debian it installs what is missing; else it says what to install.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { provideEnvoy } from "./envoy.mjs";
import { provideKubernetes } from "./kubernetes.mjs";
import { providePkcs11 } from "./pkcs11.mjs";

/** @typedef {{ what: string, probe: readonly string[], packages: readonly string[] }} Tool */

/** @type {Record<string, readonly Tool[]>} */
const toolsFor = {
  test: [
    {
      what: "OpenSSL, a judge of certificates",
      probe: ["openssl", "version"],
      packages: ["openssl"],
    },
    { what: "Go, whose crypto/x509 is another", probe: ["go", "version"], packages: ["golang-go"] },
    {
      what: "pip, which brings Envoy",
      probe: ["python3", "-m", "pip", "--version"],
      packages: ["python3", "python3-pip"],
    },
    { what: "Redis", probe: ["redis-server", "--version"], packages: ["redis-server"] },
    { what: "Redis's client", probe: ["redis-cli", "--version"], packages: ["redis-tools"] },
    {
      what: "Python's gRPC, a foreign xDS client",
      probe: ["/usr/bin/python3", "-c", "import grpc"],
      packages: ["python3-grpcio"],
    },
    { what: "curl, which the README types", probe: ["curl", "--version"], packages: ["curl"] },
    { what: "ip, for regions on one machine", probe: ["ip", "-V"], packages: ["iproute2"] },
    { what: "nft, for partitions", probe: ["nft", "--version"], packages: ["nftables"] },
    {
      what: "systemd, a judge of units, and what tells it that a service is ready",
      probe: ["systemd-analyze", "--version"],
      packages: ["systemd"],
    },
    {
      what: "a C compiler, for delays where the kernel has none",
      probe: ["gcc", "--version"],
      packages: ["gcc", "libc6-dev"],
    },
    {
      what: "SoftHSM, a PKCS#11 token in software",
      probe: ["softhsm2-util", "--version"],
      packages: ["softhsm2"],
    },
    {
      what: "make and a C++ compiler, for the addon that speaks to tokens",
      probe: ["g++", "--version"],
      packages: ["g++", "make"],
    },
  ],
  bench: [
    { what: "Redis", probe: ["redis-server", "--version"], packages: ["redis-server"] },
    { what: "wrk, the load", probe: ["wrk", "-v"], packages: ["wrk"] },
    { what: "HAProxy, a peer", probe: ["haproxy", "-v"], packages: ["haproxy"] },
    { what: "a C compiler", probe: ["gcc", "--version"], packages: ["gcc", "libc6-dev"] },
    {
      what: "pip, which brings Envoy",
      probe: ["python3", "-m", "pip", "--version"],
      packages: ["python3", "python3-pip"],
    },
  ],
};

/**
 * @param {"test" | "bench"} purpose
 * @returns {{ env: Record<string, string>, problems: string[] }} what to add to the environment; what is
 *   still missing, one sentence each
 */
export function provide(purpose) {
  let missing = toolsFor[purpose].filter(isMissing);
  const problems = [];
  if (missing.length > 0 && mayInstall()) {
    const failure = aptInstall(missing.flatMap((tool) => tool.packages));
    if (failure) problems.push(failure);
    missing = missing.filter(isMissing);
  }
  if (missing.length > 0) {
    const packages = missing.flatMap((tool) => tool.packages).join(" ");
    problems.push(
      `Missing: ${missing.map((tool) => tool.what).join("; ")}. Install with: sudo apt-get install ${packages}`,
    );
  }
  const addonProblem = purpose === "test" ? providePkcs11() : undefined;
  if (addonProblem !== undefined) problems.push(addonProblem);
  try {
    const env = { ISTHMUS_ENVOY: provideEnvoy() };
    if (purpose === "bench") return { env, problems };
    return { env: { ...env, ISTHMUS_ENVOY_OLDEST: provideEnvoy("oldest") }, problems };
  } catch (error) {
    return { env: {}, problems: [...problems, error.message] };
  }
}

/** wrk -v ends with 1: being there is enough, except that python3 may be there without its modules. */
function isMissing({ probe: [command, ...args] }) {
  const result = spawnSync(command, args, { stdio: "ignore" });
  return result.error !== undefined || (command?.endsWith("python3") && result.status !== 0);
}

function mayInstall() {
  return (
    process.getuid?.() === 0 && !spawnSync("apt-get", ["--version"], { stdio: "ignore" }).error
  );
}

/** @returns {string | undefined} why it failed */
function aptInstall(packages) {
  process.stderr.write(`Installing Debian packages: ${packages.join(" ")}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args) => spawnSync("apt-get", ["-q", "-y", ...args], { env, encoding: "utf8" });
  const install = () => apt("install", "--no-install-recommends", ...packages);
  let result = install();
  if (result.status !== 0) {
    // A fresh image has no package lists, an old one stale lists.
    apt("update");
    result = install();
  }
  return result.status === 0
    ? undefined
    : `Cannot install ${packages.join(" ")}: ${result.stderr.trim()}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const purpose = process.argv[2] ?? "test";
  if (!Object.hasOwn(toolsFor, purpose)) {
    console.error(`Cannot provide for "${purpose}": say test or bench`);
    process.exit(2);
  }
  const { env, problems } = provide(purpose);
  // The gate builds it beside its checks; whoever asks here waits.
  if (purpose === "test") {
    await provideKubernetes().then(
      (folder) => {
        env.ISTHMUS_KUBERNETES = folder;
      },
      (error) => problems.push(error.message),
    );
  }
  for (const [name, value] of Object.entries(env)) console.log(`${name}=${value}`);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 69 : 0;
}
