import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineKind } from "../../src/app/config/config.ts";
import { makeGateway, makeMember, makeRoot, makeWorkload } from "../../src/app/trust-tasks.ts";
import { freePorts } from "../app/support/free-port.ts";
import { startApp, writeService } from "../app/support/shop.ts";
import { RedisProcess } from "../support/redis/redis-process.ts";
import { Program, run } from "./program.ts";

/** `west` has cart, `east` calls it: every request crosses from one member to the other. */
export type Part =
  | "east-agent"
  | "east-agent-2"
  | "east-frontend"
  | "west-agent"
  | "west-gateway"
  | "west-cart";

interface Ports {
  readonly redis: number;
  readonly eastXds: number;
  readonly eastHttp: number;
  readonly eastXds2: number;
  readonly eastHttp2: number;
  readonly eastGateway: number;
  readonly frontendAdmin: number;
  readonly frontend: number;
  readonly westXds: number;
  readonly westHttp: number;
  readonly westGateway: number;
  readonly westGatewayAdmin: number;
  readonly cartAdmin: number;
  readonly cartIn: number;
  readonly app: number;
  readonly spare: number;
}

export interface FederationOptions {
  readonly engine?: EngineKind;
  /** Of all agents, as `leaseMs` takes it. */
  readonly lease?: string;
  /** Of cart's port; says what is spoken. Default: `http`. */
  readonly portName?: string;
  /** Both first agents may use the root. */
  readonly hasRoot?: boolean;
}

/** Two members as an operator runs them, each part a process of its own, on a real Redis. */
export class Federation implements AsyncDisposable {
  readonly dir: string;
  readonly ports: Ports;
  readonly redis: RedisProcess;
  readonly #running = new Map<Part, Program>();
  readonly #opened = new AsyncDisposableStack();

  private constructor(dir: string, ports: Ports) {
    this.dir = dir;
    this.ports = ports;
    this.redis = new RedisProcess({
      dir: join(dir, "redis"),
      port: ports.redis,
      args: ["--port", String(ports.redis), "--save", ""],
    });
  }

  /** Identities, configurations and cart's application are there; nothing else runs yet. */
  static async make({
    engine = "embedded",
    lease = "4s",
    portName = "http",
    hasRoot = false,
  }: FederationOptions = {}): Promise<Federation> {
    const dir = await mkdtemp(join(tmpdir(), "isthmus-federation-"));
    const names: readonly (keyof Ports)[] = [
      "redis",
      "eastXds",
      "eastHttp",
      "eastXds2",
      "eastHttp2",
      "eastGateway",
      "frontendAdmin",
      "frontend",
      "westXds",
      "westHttp",
      "westGateway",
      "westGatewayAdmin",
      "cartAdmin",
      "cartIn",
      "app",
      "spare",
    ];
    const free = await freePorts(names.length);
    const ports = Object.fromEntries(names.map((name, index) => [name, free[index] ?? 0]));
    const made = new Federation(dir, ports as unknown as Ports);
    made.#opened.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    await made.#issue();
    await made.#configure({ engine, lease, portName, hasRoot });
    const app = await startApp("cart of west", made.ports.app);
    made.#opened.defer(app.kill);
    made.#opened.use(made.redis);
    return made;
  }

  /** The caller's door to cart. */
  get url(): string {
    return `http://127.0.0.1:${this.ports.frontend}/`;
  }

  get eastApi(): string {
    return `http://127.0.0.1:${this.ports.eastHttp}`;
  }

  get eastApi2(): string {
    return `http://127.0.0.1:${this.ports.eastHttp2}`;
  }

  get westApi(): string {
    return `http://127.0.0.1:${this.ports.westHttp}`;
  }

  file(...path: readonly string[]): string {
    return join(this.dir, ...path);
  }

  /** Starts a part as a new process; resolves when it says that it does its work. */
  async start(part: Part): Promise<Program> {
    const program = new Program([commandOf(part), "--config", `${part}.yaml`], { cwd: this.dir });
    this.#running.set(part, program);
    await program.said(commandOf(part) === "agent" ? "Serves proxies" : "Ready");
    return program;
  }

  async startAll(parts: readonly Part[]): Promise<void> {
    await Promise.all(parts.map((part) => this.start(part)));
  }

  program(part: Part): Program {
    const program = this.#running.get(part);
    if (program === undefined) throw new RangeError(`${part} was not started`);
    return program;
  }

  /** Resolves with the exit code once the process is gone. */
  async end(part: Part, signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const program = this.program(part);
    this.#running.delete(part);
    assert.equal(program.hasEnded, false, `${part} ended by itself:\n${program.out.slice(-4000)}`);
    program.signal(signal);
    return program.ended();
  }

  /** West exports one service more. */
  async export(name: string): Promise<void> {
    const folder = this.file("west", "services");
    await writeService(folder, { name, isExported: true, workloads: [] });
  }

  /** What `isthmus …` prints, asked at east's agent. */
  async ask(...argv: readonly string[]): Promise<string> {
    const { out, err } = await run([...argv, "--agent", this.eastApi], this.dir);
    return out + err;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const lost = [...this.#running].filter(([, program]) => program.hasEnded);
    await Promise.all([...this.#running.values()].map((one) => one[Symbol.asyncDispose]()));
    await this.#opened.disposeAsync();
    // Whatever the tests saw: nothing may have died that nobody killed.
    const words = lost.map(
      ([part, { out, err }]) => `${part} ended by itself:\n${out.slice(-4000)}${err}`,
    );
    assert.equal(words.join("\n"), "");
  }

  async #issue(): Promise<void> {
    const root = this.file("root");
    await makeRoot({ mesh: "acme.mesh", dir: root });
    for (const [name, region] of [
      ["east", "us-east-1"],
      ["west", "eu-west-1"],
    ] as const) {
      await makeMember({
        name,
        dir: root,
        out: this.file(name, "trust"),
        cloud: "aws",
        region,
        network: undefined,
        gatewayRanges: ["127.0.0.0/8"],
        mayExport: ["shop"],
        renew: false,
      });
    }
    const workload = (name: "east" | "west", account: string): Promise<unknown> =>
      makeWorkload({
        account: `shop/${account}`,
        dir: this.file(name, "trust"),
        out: this.file(name, `${account}-id`),
      });
    await makeGateway({ dir: this.file("west", "trust"), out: this.file("west", "gateway-id") });
    await Promise.all([workload("west", "cart"), workload("east", "frontend")]);
  }

  async #configure(options: Required<FederationOptions>): Promise<void> {
    const { engine, lease, portName, hasRoot } = options;
    const { ports } = this;
    await mkdir(this.file("east", "services"), { recursive: true });
    await writeService(this.file("west", "services"), {
      name: "cart",
      isExported: true,
      workloads: [{ name: "cart-1", port: this.ports.app }],
      portName,
    });
    const root = hasRoot ? ", signer: { file: ./root/root.key }" : "";
    const write = (part: Part, text: string): Promise<void> =>
      writeFile(this.file(`${part}.yaml`), text);
    const agent = (of: {
      readonly member: string;
      readonly region: string;
      readonly state: string;
      readonly xds: number;
      readonly http: number;
      readonly gateway: number;
      readonly replica?: number;
    }): string => `mesh: acme.mesh
member: { name: ${of.member}, cloud: aws, region: ${of.region} }
trust: { dir: ./${of.member}/trust${root} }
catalog:
  hubs: [{ url: "redis://127.0.0.1:${ports.redis}" }]
  snapshotDir: ./${of.member}/${of.state}
  leaseMs: ${lease}
${of.replica === undefined ? "" : `  replicas: ["127.0.0.1:${of.replica}"]`}
sources: [{ files: ./${of.member}/services }]
gateway: { addresses: ["127.0.0.1:${of.gateway}"] }
xds: { listen: "127.0.0.1:${of.xds}" }
http: { listen: "127.0.0.1:${of.http}" }
`;
    const east = { member: "east", region: "us-east-1", gateway: ports.eastGateway };
    const first = { ...east, state: "state", xds: ports.eastXds, http: ports.eastHttp };
    const second = { ...east, state: "state-2", xds: ports.eastXds2, http: ports.eastHttp2 };
    await write("east-agent", agent({ ...first, replica: ports.eastXds2 }));
    await write("east-agent-2", agent({ ...second, replica: ports.eastXds }));
    const west = { member: "west", region: "eu-west-1", gateway: ports.westGateway };
    await write(
      "west-agent",
      agent({ ...west, state: "state", xds: ports.westXds, http: ports.westHttp }),
    );
    await write(
      "west-gateway",
      `agent: 127.0.0.1:${ports.westXds}
engine: ${engine}
identity: { dir: ./west/gateway-id }
listen: "127.0.0.1:${ports.westGateway}"
admin: "127.0.0.1:${ports.westGatewayAdmin}"
`,
    );
    const sidecar = (agents: readonly number[], account: string, admin: number): string =>
      `agent: [${agents.map((port) => `"127.0.0.1:${port}"`).join(", ")}]
engine: ${engine}
identity: { dir: ./${account === "cart" ? "west" : "east"}/${account}-id }
workload: ${account}-1
namespace: shop
serviceAccount: ${account}
admin: "127.0.0.1:${admin}"
`;
    await write(
      "west-cart",
      `${sidecar([ports.westXds], "cart", ports.cartAdmin)}inbound: [{ endpoint: "127.0.0.1:${ports.app}", listen: "127.0.0.1:${ports.cartIn}", app: "127.0.0.1:${ports.app}" }]\n`,
    );
    await write(
      "east-frontend",
      `${sidecar([ports.eastXds, ports.eastXds2], "frontend", ports.frontendAdmin)}upstreams: [{ service: shop/cart, port: 80, listen: "127.0.0.1:${ports.frontend}" }]\n`,
    );
  }
}

function commandOf(part: Part): "agent" | "gateway" | "sidecar" {
  if (part.includes("agent")) return "agent";
  return part.endsWith("gateway") ? "gateway" : "sidecar";
}
