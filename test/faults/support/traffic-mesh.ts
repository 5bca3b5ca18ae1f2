import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { makeGateway, makeMember, makeRoot, makeWorkload } from "../../../src/app/trust-tasks.ts";
import { freePorts } from "../../app/support/free-port.ts";
import { startApp, writeService } from "../../app/support/shop.ts";
import { Program } from "../../system/program.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";

/**
 * Two members as an operator runs them: an agent, a gateway and sidecars each, all processes of the
 * program, on one Redis. East calls `cart`, which both have, and `books`, which only west has.
 */
export interface TrafficMesh extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly east: TrafficMember;
  readonly west: TrafficMember;
  /** Where east's caller reaches each service. */
  readonly urls: { readonly cart: string; readonly books: string };
}

export interface TrafficMember {
  readonly name: string;
  /** The agent's own HTTP port. */
  readonly apiUrl: string;
  /** Exports the service `marker-<member>` on this port: a change that others must come to know. */
  readonly mark: (port: number) => Promise<void>;
  /** As `kill -9`. */
  readonly killAgent: () => Promise<void>;
  readonly startAgent: () => Promise<void>;
  /** Its copies of the others' shards and its memory of itself. */
  readonly forget: () => Promise<void>;
}

const servedWithinMs = 60_000;

interface Sidecar {
  readonly workload: string;
  readonly account: string;
  readonly lines: readonly string[];
}

export async function openTrafficMesh(): Promise<TrafficMesh> {
  await using opened = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "isthmus-traffic-"));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const redis = opened.use(await startRedis());
  await makeRoot({ mesh: "acme.mesh", dir: join(dir, "root") });
  const [cart = 0, books = 0] = await freePorts(2);
  const at = { dir, redis, opened };
  for (const name of ["east", "west"]) await issue(name, dir);
  const east = await startMember("east", { ...at, serves: ["cart"] });
  const west = await startMember("west", { ...at, serves: ["cart", "books"] });
  await startSidecar(east.folder, {
    opened,
    xdsPort: east.xdsPort,
    sidecar: {
      workload: "frontend-1",
      account: "frontend",
      lines: [
        "upstreams:",
        `  - { service: shop/cart, port: 80, listen: "127.0.0.1:${cart}" }`,
        `  - { service: shop/books, port: 80, listen: "127.0.0.1:${books}" }`,
      ],
    },
  });
  const urls = { cart: `http://127.0.0.1:${cart}/`, books: `http://127.0.0.1:${books}/` };
  for (const url of Object.values(urls)) await untilServed(url);
  const owned = opened.move();
  return {
    redis,
    east: east.member,
    west: west.member,
    urls,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A sidecar is ready before all are known that it may call. */
async function untilServed(url: string): Promise<void> {
  let inARow = 0;
  for (const deadlineMs = Date.now() + servedWithinMs; inARow < 10; await wait(20)) {
    const isServed = await fetch(url, { headers: { connection: "close" } }).then(
      ({ ok }) => ok,
      () => false,
    );
    inARow = isServed ? inARow + 1 : 0;
    if (Date.now() > deadlineMs) throw new Error(`Nobody answers at ${url}`);
  }
}

async function issue(name: string, dir: string): Promise<void> {
  await makeMember({
    name,
    dir: join(dir, "root"),
    out: join(dir, name, "trust"),
    cloud: "aws",
    region: name,
    network: undefined,
    gatewayRanges: ["127.0.0.0/8"],
    mayExport: ["shop"],
    renew: false,
  });
  await makeGateway({ dir: join(dir, name, "trust"), out: join(dir, name, "gateway") });
}

interface Around {
  readonly dir: string;
  readonly redis: RedisServer;
  readonly opened: AsyncDisposableStack;
}

async function startMember(
  name: string,
  around: Around & { readonly serves: readonly string[] },
): Promise<{ readonly member: TrafficMember; readonly folder: string; readonly xdsPort: number }> {
  const { dir, redis, opened } = around;
  const folder = join(dir, name);
  const [xdsPort = 0, httpPort = 0, gatewayPort = 0, adminPort = 0] = await freePorts(4);
  await writeFile(
    join(folder, "agent.yaml"),
    `mesh: acme.mesh
member: { name: ${name}, cloud: aws, region: ${name} }
trust: { dir: ./trust }
catalog: { hubs: [{ url: "redis://127.0.0.1:${redis.port}" }], snapshotDir: ./state }
sources: [{ files: ./services }]
gateway: { addresses: ["127.0.0.1:${gatewayPort}"] }
xds: { listen: "127.0.0.1:${xdsPort}" }
http: { listen: "127.0.0.1:${httpPort}" }
`,
  );
  await writeFile(
    join(folder, "gateway.yaml"),
    `agent: 127.0.0.1:${xdsPort}
identity: { dir: ./gateway }
listen: "127.0.0.1:${gatewayPort}"
admin: "127.0.0.1:${adminPort}"
`,
  );
  await mkdir(join(folder, "services"));
  const apps = await Promise.all(around.serves.map((service) => serve(service, around, folder)));
  const mark = (port: number): Promise<void> =>
    writeMarker(join(folder, "services"), { name: `marker-${name}`, port });
  await mark(1);
  let agent: Program | undefined;
  const killAgent = async (): Promise<void> => {
    await agent?.[Symbol.asyncDispose]();
    agent = undefined;
  };
  const startAgent = async (): Promise<void> => {
    agent = new Program(["agent", "--config", "agent.yaml"], { cwd: folder });
    await agent.said("Agent runs");
  };
  opened.defer(killAgent);
  await startAgent();
  await agent?.said("Serves proxies");
  const gateway = opened.use(new Program(["gateway", "--config", "gateway.yaml"], { cwd: folder }));
  await gateway.said("Ready");
  for (const sidecar of apps) await startSidecar(folder, { opened, xdsPort, sidecar });
  const member: TrafficMember = {
    name,
    apiUrl: `http://127.0.0.1:${httpPort}`,
    mark,
    killAgent,
    startAgent,
    forget: () => rm(join(folder, "state"), { recursive: true, force: true }),
  };
  return { member, folder, xdsPort };
}

/** An application behind a sidecar that is still to be started. */
async function serve(service: string, around: Around, folder: string): Promise<Sidecar> {
  const [appPort = 0, inboundPort = 0] = await freePorts(2);
  const app = await startApp(`${service} of ${folder}`, appPort);
  around.opened.defer(app.kill);
  const workload = `${service}-1`;
  await writeService(join(folder, "services"), {
    name: service,
    isExported: true,
    workloads: [{ name: workload, port: appPort }],
  });
  const own = `127.0.0.1:${appPort}`;
  return {
    workload,
    account: service,
    lines: [`inbound: [{ endpoint: "${own}", listen: "127.0.0.1:${inboundPort}", app: "${own}" }]`],
  };
}

async function startSidecar(
  folder: string,
  of: {
    readonly opened: AsyncDisposableStack;
    readonly xdsPort: number;
    readonly sidecar: Sidecar;
  },
): Promise<void> {
  const { workload, account, lines } = of.sidecar;
  const out = join(folder, workload);
  await makeWorkload({ account: `shop/${account}`, dir: join(folder, "trust"), out });
  const [adminPort = 0] = await freePorts(1);
  const text = `agent: 127.0.0.1:${of.xdsPort}
identity: { dir: ./${workload} }
workload: ${workload}
namespace: shop
serviceAccount: ${account}
admin: "127.0.0.1:${adminPort}"
${lines.join("\n")}
`;
  await writeFile(join(folder, `${workload}.yaml`), text);
  const argv = ["sidecar", "--config", `${workload}.yaml`];
  const program = of.opened.use(new Program(argv, { cwd: folder }));
  await program.said("Ready");
}

/** A service nobody calls; its port tells which change it is. */
async function writeMarker(
  folder: string,
  { name, port }: { readonly name: string; readonly port: number },
): Promise<void> {
  const text = `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { ports: [{ name: http, port: ${port}, protocol: TCP }] }
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: ${name}, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
`;
  const file = join(folder, `${name}.yaml`);
  // Two changes may be under way at once.
  const fresh = `${file}.${port}`;
  await writeFile(fresh, text);
  await rename(fresh, file);
}
