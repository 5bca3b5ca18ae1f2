// Keys never leave their host, and a token is seen by nobody but who shows it and who takes it.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { freePorts } from "../app/support/free-port.ts";
import { Federation } from "../system/federation.ts";
import { Program, run } from "../system/program.ts";
import { type Needle, needleOfKey, needleOfToken, secretsIn } from "./support/needles.ts";

const group = `apiVersion: isthmus.dev/v1alpha1
kind: WorkloadGroup
metadata: { name: stocks, namespace: shop }
spec:
  serviceAccount: stock
  labels: { app: stock }
  ports: [{ name: http, port: 8090 }]
`;

/** A mesh that members and VMs join, and all that anybody could read of it. */
class Watched implements AsyncDisposable {
  readonly mesh: Federation;
  readonly needles = new Map<string, Needle>();
  readonly #programs = new Map<string, Program>();
  readonly #said: string[] = [];
  readonly #apis: string[];

  constructor(mesh: Federation) {
    this.mesh = mesh;
    this.#apis = [mesh.eastApi, mesh.westApi];
  }

  /** A command's words are kept, but for those that are the token itself. */
  async run(argv: readonly string[], isToken = false): Promise<string> {
    const { code, out, err } = await run(argv, this.mesh.dir);
    assert.equal(code, 0, `${argv.join(" ")}: ${err}${isToken ? "" : out}`);
    this.#said.push(err, isToken ? "" : out);
    return out.trim();
  }

  async token(name: string, ...words: readonly string[]): Promise<string> {
    const text = await this.run(["token", "create", ...words, "--config", "east-agent.yaml"], true);
    this.needles.set(name, needleOfToken(name, text));
    await writeFile(this.mesh.file(`${name}.token`), text, { mode: 0o600 });
    return `${name}.token`;
  }

  async start(
    name: string,
    { argv, cwd = this.mesh.dir, api }: { argv: readonly string[]; cwd?: string; api?: string },
  ): Promise<Program> {
    const program = new Program(argv, { cwd });
    this.#programs.set(name, program);
    if (api !== undefined) this.#apis.push(api);
    return program;
  }

  /** Remembers the keys that are there now: they change. */
  async noteKeys(): Promise<void> {
    for (const path of await filesIn(this.mesh.dir)) {
      if (!path.endsWith(".key")) continue;
      const text = await readFile(path, "utf8");
      const name = `${relative(this.mesh.dir, path)} ${this.needles.size}`;
      const needle = text.startsWith("-----BEGIN")
        ? needleOfKey(name, text)
        : { name, secret: Buffer.from(text.trim(), "base64url") };
      assert.equal(needle.secret.length, 32, path);
      const isKnown = [...this.needles.values()].some((one) => one.secret.equals(needle.secret));
      if (!isKnown) this.needles.set(name, needle);
    }
  }

  /** `place: what was found`, of every place where nothing may be. */
  async search(parts: readonly ("redis" | "said" | "api" | "processes" | "files")[]) {
    const found: string[] = [];
    const needles = [...this.needles.values()];
    let places = 0;
    const look = (place: string, bytes: Buffer): void => {
      places += 1;
      found.push(...secretsIn(bytes, needles).map((name) => `${place}: ${name}`));
    };
    if (parts.includes("redis")) look("redis", await this.#dump());
    if (parts.includes("said")) {
      for (const [name, { out, err }] of this.#programs) look(name, Buffer.from(out + err));
      look("commands", Buffer.from(this.#said.join("\n")));
    }
    if (parts.includes("api")) {
      for (const [url, body] of await this.#answers()) look(url, body);
    }
    if (parts.includes("processes")) await lookAtProcesses(look);
    if (parts.includes("files")) await this.#lookAtFiles(look);
    return { found, places };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#programs.values()].map((one) => one[Symbol.asyncDispose]()));
  }

  /** All that Redis holds, as it would lie on its disk; nothing in it is compressed. */
  async #dump(): Promise<Buffer> {
    const { port } = this.mesh.redis;
    const redis = new Redis({ port, host: "127.0.0.1" });
    try {
      await redis.config("SET", "rdbcompression", "no");
      await redis.save();
      const [, dir = ""] = (await redis.config("GET", "dir")) as string[];
      const bytes = await readFile(join(dir, "dump.rdb"));
      assert.ok(bytes.includes("isthmus:{acme.mesh}:east:head"), "the dump is that of the catalog");
      return bytes;
    } finally {
      redis.disconnect();
    }
  }

  async #answers(): Promise<readonly (readonly [string, Buffer])[]> {
    const { ports } = this.mesh;
    const engines = [ports.cartAdmin, ports.frontendAdmin, ports.westGatewayAdmin];
    const urls = [
      ...this.#apis.flatMap((api) => agentPaths.map((path) => api + path)),
      ...engines.flatMap((port) =>
        ["/config", "/metrics", "/readyz"].map((path) => `http://127.0.0.1:${port}${path}`),
      ),
    ];
    const { proxies } = (await (await fetch(`${this.mesh.eastApi}/api/v1/proxies`)).json()) as {
      readonly proxies: readonly { readonly node: string }[];
    };
    for (const { node } of proxies) {
      urls.push(`${this.mesh.eastApi}/api/v1/proxies/${encodeURIComponent(node)}/config`);
    }
    const answers: [string, Buffer][] = [];
    for (const url of urls) {
      const response = await fetch(url);
      assert.ok(response.status < 300 || url.endsWith("/readyz"), `${response.status} ${url}`);
      answers.push([url, Buffer.from(await response.arrayBuffer())]);
    }
    return answers;
  }

  /** A key is in files of its own, for nobody else, of one host; a token in the file that it was put into. */
  async #lookAtFiles(look: (place: string, bytes: Buffer) => void): Promise<void> {
    const hosts = new Map<string, Set<string>>();
    for (const path of await filesIn(this.mesh.dir)) {
      const place = relative(this.mesh.dir, path);
      const bytes = await readFile(path);
      if (place.endsWith(".token")) continue;
      if (!place.endsWith(".key")) {
        look(place, bytes);
        continue;
      }
      assert.equal((await stat(path)).mode & 0o777, 0o600, place);
      const [host = ""] = place.split("/");
      for (const name of secretsIn(bytes, [...this.needles.values()])) {
        if (name.startsWith("a ")) continue;
        hosts.set(name, (hosts.get(name) ?? new Set()).add(host));
      }
    }
    for (const [name, all] of hosts) assert.equal(all.size, 1, `${name} is at ${[...all].join()}`);
  }
}

const agentPaths = [
  "/api/v1/status",
  "/api/v1/members",
  "/api/v1/services",
  "/api/v1/endpoints?service=shop/cart",
  "/api/v1/rotation",
  "/api/v1/catalog/held",
  "/api/v1/load?service=shop/cart",
  "/api/v1/proxies",
  "/api/v1/findings",
  "/api/v1/charter",
  "/metrics",
  "/healthz",
  "/readyz",
];

async function filesIn(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

/** What anybody on the machine may see of a process, and what its user may. */
async function lookAtProcesses(look: (place: string, bytes: Buffer) => void): Promise<void> {
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const file of ["cmdline", "environ"]) {
      // It may have ended, or be somebody else's.
      const bytes = await readFile(`/proc/${pid}/${file}`).catch(() => undefined);
      if (bytes !== undefined) look(`process ${file}`, bytes);
    }
  }
}

function words(line: string): readonly string[] {
  return line.split(" ");
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (let looks = 0; looks < 600; looks += 1) {
    if (await isSo()) return;
    await wait(100);
  }
  assert.fail(what);
}

test("no private key and no token's secret is anywhere but where it belongs", async (t) => {
  await using mesh = await Federation.make({ hasRoot: true });
  await using watched = new Watched(mesh);
  const agentFile = mesh.file("east-agent.yaml");
  const agentText = await readFile(agentFile, "utf8");
  await writeFile(agentFile, agentText.replace("sources: [", "sources: [{ registration: {} }, "));
  await writeFile(mesh.file("east", "services", "stocks.yaml"), group);
  for (const part of ["west-cart", "east-frontend"]) {
    const text = await readFile(mesh.file(`${part}.yaml`), "utf8");
    await writeFile(mesh.file(`${part}.yaml`), text.replace("-id }", "-id, checkEvery: 1s }"));
  }
  const xds = `127.0.0.1:${mesh.ports.eastXds}`;

  await mesh.redis.start();
  await mesh.startAll(["east-agent", "west-agent"]);
  await mesh.startAll(["west-gateway", "west-cart", "east-frontend"]);
  await watched.noteKeys();

  const [northXds = 0, northHttp = 0, vmAdmin = 0] = await freePorts(3);
  const forNorth = await watched.token("north", "--member", "north", "--export", "shop");
  const hub = `redis://127.0.0.1:${mesh.ports.redis}`;
  await watched.run([
    ...words(`join --agent ${xds} --token-file ${forNorth} --dir north --hub ${hub}`),
    ...words(`--xds 127.0.0.1:${northXds} --http 127.0.0.1:${northHttp}`),
  ]);
  await mkdir(mesh.file("north", "services"), { recursive: true });
  const north = await watched.start("north", {
    argv: ["agent", "--config", "agent.yaml"],
    cwd: mesh.file("north"),
    api: `http://127.0.0.1:${northHttp}`,
  });
  await north.said("Serves proxies");

  const forVm = await watched.token("vm", "--vm", "--group", "shop/stocks");
  const vm = await watched.start("vm", {
    argv: [
      ...words("vm join --dir vm --name vm-1 --address 127.0.0.77 --dns off"),
      ...words(`--agent ${xds} --token-file ${forVm} --admin 127.0.0.1:${vmAdmin}`),
    ],
  });
  await until(async () => {
    if (vm.hasEnded) assert.fail(vm.err + vm.out);
    return vm.out.includes("First configuration acknowledged");
  }, "the VM never joined");
  await watched.noteKeys();

  // Issuers and workloads get new keys.
  const rotate = async (step: string): Promise<string> =>
    watched.run(["trust", "rotate", step, "--dir", "root", "--agent", mesh.eastApi]);
  const before = await readFile(mesh.file("west", "cart-id", "svid.key"), "utf8");
  for (const step of ["start", "activate", "drain"]) await rotate(step);
  await until(
    async () => (await readFile(mesh.file("west", "cart-id", "svid.key"), "utf8")) !== before,
    "nothing was renewed",
  );
  await watched.noteKeys();

  const { found, places } = await watched.search(["redis", "said", "api", "processes", "files"]);
  t.diagnostic(`${watched.needles.size} secrets, ${places} places`);
  assert.ok(watched.needles.size >= 12, [...watched.needles.keys()].join("\n"));
  assert.deepEqual(found, []);

  await finds(watched);
});

/** The search sees what it looks for. */
async function finds(watched: Watched): Promise<void> {
  const pem = newPrivateKey().export({ format: "pem", type: "pkcs8" }).toString();
  const planted = needleOfKey("planted", pem);
  watched.needles.set("planted", planted);
  const hex = planted.secret.toString("hex");
  const redis = new Redis({ port: watched.mesh.redis.port, host: "127.0.0.1" });
  await redis.hset(
    "isthmus:{acme.mesh}:east:records",
    "planted",
    planted.secret.toString("base64"),
  );
  redis.disconnect();
  await writeFile(watched.mesh.file("east", "state", "planted.json"), JSON.stringify({ pem }));
  const child: ChildProcess = spawn(process.execPath, ["-e", "setInterval(()=>{},1e6)", hex], {
    env: { PLANTED: planted.secret.toString("base64url") },
    stdio: "ignore",
  });
  await once(child, "spawn");
  try {
    const { found } = await watched.search(["redis", "processes", "files"]);
    const places = found.filter((one) => one.endsWith(": planted"));
    assert.deepEqual([...new Set(places)].sort(), [
      "east/state/planted.json: planted",
      "process cmdline: planted",
      "process environ: planted",
      "redis/dump.rdb: planted",
      "redis: planted",
    ]);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}
