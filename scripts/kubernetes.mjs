// Provides a real Kubernetes for the tests: `node scripts/kubernetes.mjs` prints the folder with etcd,
// kube-apiserver, kube-controller-manager and kubectl. They are built once from the modules that
// test/kube/go.mod pins, by the Go on the PATH or by one from a Python wheel (go.txt); no root, no containers.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { availableParallelism, homedir, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { installWheel } from "./wheels.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const moduleDir = resolve(here, "../test/kube");
const programs = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];
// The largest of the compiler's and linker's processes hold 2 GB.
const bytesPerProcess = 3 * 2 ** 30;

/**
 * The folder of the binaries, built on first use. ISTHMUS_KUBERNETES names another to take instead, ISTHMUS_CACHE
 * another cache folder.
 *
 * @returns {Promise<string>} rejects with an Error that says what is missing
 */
export async function provideKubernetes() {
  const own = process.env.ISTHMUS_KUBERNETES;
  if (own) {
    if (hasPrograms(own)) return own;
    throw new Error(`Cannot use ISTHMUS_KUBERNETES "${own}": it must hold ${programs.join(", ")}`);
  }
  const version = pinnedVersion();
  const target = join(cacheDir(), `kubernetes-${version}`);
  if (!hasPrograms(target)) await build(target, version);
  return target;
}

/** @returns {boolean} the binaries are there, so that providing them costs nothing */
export function hasKubernetes() {
  const own = process.env.ISTHMUS_KUBERNETES;
  return hasPrograms(own || join(cacheDir(), `kubernetes-${pinnedVersion()}`));
}

async function build(target, version) {
  const go = provideGo();
  const startedMs = Date.now();
  process.stderr.write(
    `Building Kubernetes ${version} for the tests (once: 5 minutes on 2 cores, 0.8 GB of modules and 3 GB of Go's build cache)\n`,
  );
  mkdirSync(cacheDir(), { recursive: true });
  // Beside its place and moved at the end: an interrupted build must not look like a whole one.
  const staging = mkdtempSync(join(cacheDir(), ".kubernetes-"));
  try {
    const versionAt = "k8s.io/component-base/version";
    const [major, minor] = version.split(".");
    // Without these the server calls itself v0.0.0-master, which nobody's parser of versions reads.
    const stamp = `-X ${versionAt}.gitVersion=v${version} -X ${versionAt}.gitMajor=${major} -X ${versionAt}.gitMinor=${minor} -X ${versionAt}.gitTreeState=clean`;
    await goBuild(go, staging, "-s -w", ["go.etcd.io/etcd/server/v3"], "etcd");
    const ofKubernetes = programs.filter((program) => program !== "etcd");
    const packages = ofKubernetes.map((program) => `k8s.io/kubernetes/cmd/${program}`);
    await goBuild(go, staging, `-s -w ${stamp}`, packages, "");
    rmSync(target, { recursive: true, force: true });
    renameSync(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  process.stderr.write(`Built Kubernetes in ${((Date.now() - startedMs) / 1000).toFixed(0)} s\n`);
}

async function goBuild(go, folder, ldflags, packages, name) {
  const atOnce = Math.floor(totalmem() / bytesPerProcess);
  const limit = Math.max(1, Math.min(availableParallelism(), atOnce));
  const output = `${folder}/${name}`;
  const args = ["build", "-p", String(limit), "-trimpath", `-ldflags=${ldflags}`, "-o", output];
  const child = spawn(go, [...args, ...packages], {
    cwd: moduleDir,
    env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  // Whoever does not want the build any more must not leave it running.
  const stop = () => {
    child.kill("SIGINT");
  };
  process.once("SIGTERM", stop);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said = (said + text).slice(-4000);
  });
  const [code] = await once(child, "close");
  process.off("SIGTERM", stop);
  if (code !== 0) throw new Error(`Cannot build ${packages.join(", ")}: ${said.trim()}`);
}

/** @returns {string} a Go as new as go.mod wants it */
function provideGo() {
  const [, wanted] = /^go (\d+\.\d+)/m.exec(readFileSync(join(moduleDir, "go.mod"), "utf8")) ?? [];
  const found = spawnSync("go", ["env", "GOVERSION"], {
    cwd: "/",
    encoding: "utf8",
    env: { ...process.env, GOTOOLCHAIN: "local" },
  });
  if (found.status === 0 && isAtLeast(found.stdout.trim().replace(/^go/, ""), wanted)) return "go";
  const pinFile = join(here, "go.txt");
  const [, version] = /==(\S+)/.exec(readFileSync(pinFile, "utf8")) ?? [];
  const target = join(cacheDir(), `go-${version}`);
  const program = "go/bin/go";
  if (!existsSync(join(target, program))) {
    process.stderr.write("Downloading Go (70 MB, once)\n");
    installWheel({ what: "Go", pinFile, target, program: [program, "version"] });
  }
  return join(target, program);
}

/** @param {string} version such as "1.26.8" @param {string} wanted such as "1.26" */
function isAtLeast(version, wanted) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function pinnedVersion() {
  const text = readFileSync(join(moduleDir, "go.mod"), "utf8");
  const [, version] = /^\s*(?:require )?k8s\.io\/kubernetes v(\S+)/m.exec(text) ?? [];
  if (version === undefined) throw new Error("test/kube/go.mod does not say which Kubernetes");
  return version;
}

function hasPrograms(folder) {
  return programs.every((program) => existsSync(join(folder, program)));
}

function cacheDir() {
  return process.env.ISTHMUS_CACHE || join(homedir(), ".cache/isthmus");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(await provideKubernetes());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 69;
  }
}
