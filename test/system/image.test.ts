// The steps of the Dockerfile by hand: no image can be built here, and a tree is what it would be.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  cp,
  link,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { freePorts } from "../../src/app/demo/free-ports.ts";
import { makeMember, makeRoot } from "../../src/app/trust-tasks.ts";
import { until } from "../kube/admin-client.ts";

const run = promisify(execFile);
const user = 65_532;
// A folder of mounts of its own.
const apart = "unshare";
const isRoot = process.getuid?.() === 0;
const skip =
  isRoot || process.env["CI"] !== undefined ? false : "needs root, for a root folder of its own";

suite("the image", { skip }, () => {
  let dir: string;
  let steps: readonly string[];
  const at = (path: string): string => join(dir, path);
  const image = (path = ""): string => join(dir, "image", path);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-image-"));
    await chmod(dir, 0o755);
    steps = (await readFile("Dockerfile", "utf8")).split("\n");
    await mkdir(image(), { recursive: true });
  });
  after(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  test("its packages are one bundle, built from what git holds", async () => {
    const { stdout } = await run("git", ["ls-files", "-co", "--exclude-standard"]);
    const ignored = (await readFile(".dockerignore", "utf8")).trim().split("\n");
    const files = stdout
      .split("\n")
      .filter((file) => file !== "" && !ignored.some((one) => `${file}/`.startsWith(`${one}/`)));
    for (const file of files) await cp(file, at(`build/${file}`)).catch(gone);
    // As `npm ci` makes them, which takes minutes: the lock file's packages.
    assert.ok(steps.includes("RUN npm ci --loglevel=error"));
    await symlink(join(process.cwd(), "node_modules"), at("build/node_modules"));
    assert.ok(steps.includes("RUN npm run build"));
    const env = { ...process.env, npm_config_loglevel: "error" };
    await run("npm", ["run", "build"], { cwd: at("build"), env });
    for (const step of steps) {
      const [, from = "", to = ""] =
        /^COPY --from=build \/build\/(\S+) \.\/(\S+)$/.exec(step) ?? [];
      if (from !== "") await cp(at(`build/${from}`), image(`app/${to}`), { recursive: true });
    }
    // The base: Node and the C library.
    await copied(process.execPath, image("nodejs/bin/node"));
    await withLibraries(process.execPath, image());
  });

  test("it says its version as a user that may nothing, in a tree that is read-only", async () => {
    await mkdir(at("state"));
    await mkdir(at("etc"));
    await chown(at("state"), 0, user);
    // As an emptyDir with an fsGroup.
    await chmod(at("state"), 0o2777);
    for (const path of ["var/lib/isthmus", "etc/isthmus"])
      await mkdir(image(path), { recursive: true });
    const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
    const { code, out } = await ended(inside("version"));
    assert.equal(code, 0, out);
    assert.match(out, new RegExp(version.replaceAll(".", "\\.")));
    assert.match((await ended(inside("install", "--help"))).out, /eks\|aks\|gke/);
    const printed = await ended(
      inside(
        ..."install --cloud aks --mesh m.mesh --member a --region r --hub rediss://h:1".split(" "),
      ),
    );
    assert.match(printed.out, /kind: Deployment/);
  });

  test("trust copy makes a private folder of a Secret that its group may read", async () => {
    await makeRoot({ mesh: "acme.mesh", dir: at("root") });
    await makeMember({
      name: "east",
      dir: at("root"),
      out: at("etc/trust"),
      cloud: "aws",
      region: "us-east-1",
      network: undefined,
      gatewayRanges: ["127.0.0.0/8"],
      mayExport: ["*"],
      renew: false,
    });
    await chmod(at("etc/trust"), 0o755);
    for (const name of ["member.pem", "member.key", "bundle.pem", "charter.json"]) {
      await chown(at(`etc/trust/${name}`), 0, user);
      await chmod(at(`etc/trust/${name}`), 0o440);
    }
    const copy = ["trust", "copy", "/etc/isthmus/trust", "--out", "/var/lib/isthmus/trust"];
    for (const _time of ["at first", "when the pod is started again"]) {
      const { code, out } = await ended(inside(...copy));
      assert.equal(code, 0, out);
      assert.match(out, /charter number 2/);
    }
  });

  test("an agent runs in it, and answers a kubelet", async () => {
    const [xds = 0, http = 0, health = 0] = await freePorts(3);
    await mkdir(at("etc/services"));
    const config = `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: /var/lib/isthmus/trust }
catalog: { memory: true, snapshotDir: /var/lib/isthmus/state }
sources: [{ files: /etc/isthmus/services }]
xds: { listen: "127.0.0.1:${xds}" }
http: { listen: "127.0.0.1:${http}", health: "127.0.0.1:${health}" }
`;
    await writeFile(at("etc/agent.yaml"), config);
    const agent = inside("agent", "--config", "/etc/isthmus/agent.yaml");
    const end = ended(agent);
    try {
      const url = `http://127.0.0.1:${health}/readyz`;
      await until("it is ready", async () => (await fetch(url)).status === 200);
    } finally {
      agent.kill("SIGTERM");
    }
    const { code, out } = await end;
    assert.equal(code, 0, out);
    assert.doesNotMatch(out, /"level":"error"|EROFS|EACCES/);
  });

  test("nft runs in it with the libraries that the sidecar's image takes along", async () => {
    const step = steps.find((one) => one.includes("ldd /usr/sbin/nft")) ?? "";
    const command = step.replace(/^RUN /, "").replaceAll(/(?<=[ ])\/nft\b/g, at("nft"));
    await run("sh", ["-c", command]);
    await cp(at("nft"), image(), { recursive: true });
    const { stdout } = await run("chroot", [image(), "/usr/sbin/nft", "--version"]);
    assert.match(stdout, /nftables v/);
  });

  /** What the entry point gets, with the user of the image and nothing to write to but the state. */
  function inside(...argv: readonly string[]): ChildProcess {
    const mounts = `set -e
mount --bind "$1/image" "$1/image"
mount --bind "$1/state" "$1/image/var/lib/isthmus"
mount --bind "$1/etc" "$1/image/etc/isthmus"
mount -o remount,bind,ro "$1/image"
root=$1; shift
exec chroot --userspec=${user}:${user} "$root/image" "$@"`;
    const entry = JSON.parse(steps.find((one) => one.startsWith("ENTRYPOINT"))?.slice(11) ?? "[]");
    const args = ["-m", "sh", "-c", mounts, "sh", dir, ...(entry as string[]), ...argv];
    return spawn(apart, args, { stdio: ["ignore", "pipe", "pipe"], env: {} });
  }
});

async function ended(child: ChildProcess): Promise<{ code: number | null; out: string }> {
  let out = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8");
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out };
}

/** A file that somebody deletes meanwhile is not part of the tree. */
function gone(thrown: unknown): void {
  if ((thrown as { code?: unknown }).code !== "ENOENT") throw thrown;
}

async function copied(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await link(from, to).catch(() => cp(from, to));
}

async function withLibraries(program: string, root: string): Promise<void> {
  const { stdout } = await run("ldd", [program]);
  for (const [, path = ""] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    await cp(path, join(root, path), { dereference: true });
  }
}
