import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MemberAnswer } from "../../src/app/api-model.ts";
import type { EngineKind } from "../../src/app/config/config.ts";
import { makeGateway, makeMember, makeRoot, makeWorkload } from "../../src/app/trust-tasks.ts";
import { askUntil, until } from "../app/support/ask.ts";
import { freePorts } from "../app/support/free-port.ts";
import { startApp, writeService } from "../app/support/shop.ts";
import { RedisProcess } from "../support/redis/redis-process.ts";
import { Program } from "./program.ts";

/**
 * Two members on a real Redis, each part a process: `east` serves cart behind two gateways that it names
 * by DNS, one per zone; a sidecar of `west` calls it.
 */
export class TwoGateways implements AsyncDisposable {
  readonly dir: string;
  readonly #ports: readonly number[];
  readonly #opened = new AsyncDisposableStack();

  readonly #engine: EngineKind;

  private constructor(dir: string, ports: readonly number[], engine: EngineKind) {
    this.dir = dir;
    this.#ports = ports;
    this.#engine = engine;
  }

  /** Everything runs, west sees both gateways, and a request arrives. */
  static async start(engine: EngineKind = "embedded"): Promise<TwoGateways> {
    const dir = await mkdtemp(join(tmpdir(), "isthmus-two-gateways-"));
    const set = new TwoGateways(dir, await freePorts(Object.keys(names).length), engine);
    set.#opened.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    try {
      await set.#issue();
      await set.#configure();
      await set.#run();
      return set;
    } catch (thrown) {
      await set[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port("frontend")}/`;
  }

  /** Resolves when the process says that it does its work. */
  async startGateway(zone: Zone): Promise<Program> {
    return await this.#program("gateway", `gateway-${zone}`, "Ready");
  }

  readonly gateways: Partial<Record<Zone, Program>> = {};

  /** Resolves when west holds east's gateways, in the order of the zones, for that. */
  async seen(wanted: Readonly<Record<Zone, string>>): Promise<readonly string[]> {
    const url = `http://127.0.0.1:${this.#port("westHttp")}/api/v1/members`;
    let states: readonly string[] = [];
    await until<{ members: MemberAnswer[] }>(url, ({ members }) => {
      const gateways = members.find(({ name }) => name === "east")?.gateways ?? [];
      states = zones.map((zone) => gateways.find((one) => one.zone === zone)?.state ?? "none");
      return states.join() === zones.map((zone) => wanted[zone]).join();
    });
    return states;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }

  #port(name: keyof typeof names): number {
    return this.#ports[names[name]] ?? 0;
  }

  async #program(command: string, name: string, word: string): Promise<Program> {
    const program = new Program([command, "--config", `${name}.yaml`], { cwd: this.dir });
    this.#opened.use(program);
    await program.said(word);
    return program;
  }

  async #run(): Promise<void> {
    const redis = new RedisProcess({
      dir: join(this.dir, "redis"),
      port: this.#port("redis"),
      args: ["--port", String(this.#port("redis")), "--save", ""],
    });
    this.#opened.use(redis);
    await redis.start();
    this.#opened.defer((await startApp("cart", this.#port("app"))).kill);
    const agents = ["east-agent", "west-agent"];
    await Promise.all(agents.map((name) => this.#program("agent", name, "Serves proxies")));
    await Promise.all([
      ...zones.map(async (zone) => {
        this.gateways[zone] = await this.startGateway(zone);
      }),
      this.#program("sidecar", "cart", "Ready"),
      this.#program("sidecar", "frontend", "Ready"),
    ]);
    await askUntil(this.url, "cart", { allowed: [], mayFail: true });
    await this.seen({ a: "live", b: "live" });
  }

  async #issue(): Promise<void> {
    const root = join(this.dir, "root");
    await makeRoot({ mesh: "acme.mesh", dir: root });
    for (const [name, region] of regions) {
      await makeMember({
        name,
        dir: root,
        out: join(this.dir, name),
        cloud: "aws",
        region,
        network: undefined,
        gatewayRanges: ["127.0.0.0/8", "::1"],
        mayExport: ["shop"],
        renew: false,
      });
    }
    const workload = (member: string, account: string): Promise<unknown> =>
      makeWorkload({
        account: `shop/${account}`,
        dir: join(this.dir, member),
        out: join(this.dir, `${account}-id`),
      });
    await Promise.all([
      ...zones.map((zone) =>
        makeGateway({ dir: join(this.dir, "east"), out: join(this.dir, `gateway-${zone}-id`) }),
      ),
      workload("east", "cart"),
      workload("west", "frontend"),
    ]);
  }

  async #configure(): Promise<void> {
    const write = (name: string, text: string): Promise<void> =>
      writeFile(join(this.dir, `${name}.yaml`), text);
    const address = (zone: Zone): string => `localhost:${this.#port(`gateway-${zone}`)}`;
    const doors = zones.map((zone) => `{ address: "${address(zone)}", zone: ${zone} }`);
    for (const [member, region] of regions) {
      await mkdir(join(this.dir, `${member}-services`));
      await write(
        `${member}-agent`,
        `mesh: acme.mesh
member: { name: ${member}, cloud: aws, region: ${region} }
trust: { dir: ./${member} }
catalog: { hubs: [{ url: "redis://127.0.0.1:${this.#port("redis")}" }], snapshotDir: ./${member}-state }
sources: [{ files: ./${member}-services }]
gateway: { addresses: [${member === "east" ? doors.join(", ") : ""}] }
xds: { listen: "127.0.0.1:${this.#port(`${member}Xds`)}" }
http: { listen: "127.0.0.1:${this.#port(`${member}Http`)}" }
`,
      );
    }
    for (const zone of zones) {
      await write(
        `gateway-${zone}`,
        `agent: 127.0.0.1:${this.#port("eastXds")}
engine: ${this.#engine}
identity: { dir: ./gateway-${zone}-id }
listen: "127.0.0.1:${this.#port(`gateway-${zone}`)}"
address: "${address(zone)}"
admin: "127.0.0.1:0"
`,
      );
    }
    const sidecar = (member: "east" | "west", account: string): string =>
      `agent: 127.0.0.1:${this.#port(`${member}Xds`)}
engine: ${this.#engine}
identity: { dir: ./${account}-id }
workload: ${account}-1
namespace: shop
serviceAccount: ${account}
zone: a
admin: "127.0.0.1:0"
`;
    const app = `127.0.0.1:${this.#port("app")}`;
    const door = `127.0.0.1:${this.#port("cartIn")}`;
    await write(
      "cart",
      `${sidecar("east", "cart")}inbound: [{ endpoint: "${app}", listen: "${door}", app: "${app}" }]\n`,
    );
    const listen = `127.0.0.1:${this.#port("frontend")}`;
    await write(
      "frontend",
      `${sidecar("west", "frontend")}upstreams: [{ service: shop/cart, port: 80, listen: "${listen}" }]\n`,
    );
    await writeService(join(this.dir, "east-services"), {
      name: "cart",
      isExported: true,
      workloads: [{ name: "cart-1", port: this.#port("app") }],
    });
  }
}

const zones = ["a", "b"] as const;
export type Zone = (typeof zones)[number];

const regions = [
  ["east", "us-east-1"],
  ["west", "eu-west-1"],
] as const;

const names = {
  redis: 0,
  eastXds: 1,
  eastHttp: 2,
  westXds: 3,
  westHttp: 4,
  "gateway-a": 5,
  "gateway-b": 6,
  cartIn: 7,
  app: 8,
  frontend: 9,
} as const;
