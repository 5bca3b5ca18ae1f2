// A mesh whose `cart` speaks gRPC, with applications and foreign clients as processes of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type { RunningEngine } from "../../../../src/app/launcher/engine-launcher.ts";
import { makeWorkload } from "../../../../src/app/trust-tasks.ts";
import { freePorts } from "../../support/free-port.ts";
import { local, type TestMesh } from "../../support/test-mesh.ts";

const here = import.meta.dirname;
/** Debian's, which brings `python3-grpcio`. */
export const python = "/usr/bin/python3";
/** For names that come once. */
let programs = 0;

/** A program that answers line for line. */
class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly pid: number | undefined;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(command, args, {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
    this.pid = this.#child.pid;
    if (this.#child.stdout === null) throw new TypeError("no pipe to the program");
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error("the program ended");
    return value;
  }

  async ask(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return await this.line();
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

async function startBackend(mesh: TestMesh, cart: CartWords): Promise<Program> {
  const { name, port } = cart;
  const program = new Program(process.execPath, [join(here, "backend.ts"), String(port), name]);
  mesh.defer(() => program.kill());
  await program.line();
  return program;
}

export interface CartWords {
  readonly name: string;
  readonly port: number;
  readonly zone?: string;
  readonly isReady?: boolean;
}

/** `shop/cart` with one gRPC port 80, exported. */
async function writeCarts(folder: string, carts: readonly CartWords[]): Promise<void> {
  const slices = carts.map(
    ({ name, port, zone = "a", isReady = true }) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}
  namespace: shop
  labels: { kubernetes.io/service-name: cart }
  annotations: { isthmus.dev/service-account: cart }
addressType: IPv4
ports: [{ name: grpc, port: ${port}, protocol: TCP, appProtocol: grpc }]
endpoints:
  - addresses: ["127.0.0.1"]
    conditions: { ready: ${isReady}, serving: ${isReady}, terminating: false }
    zone: ${zone}
    targetRef: { kind: Pod, namespace: shop, name: ${name} }
`,
  );
  const text = `apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec:
  ports: [{ name: grpc, port: 80, targetPort: grpc, protocol: TCP, appProtocol: grpc }]
${slices.join("")}---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: cart, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
`;
  await mkdir(folder, { recursive: true });
  const file = join(folder, "cart.yaml");
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

export interface GrpcMember {
  readonly name: string;
  readonly agent: RunningAgent;
  /** Of the running agent. */
  readonly socket: string;
  readonly carts: readonly CartWords[];
  readonly restartAgent: () => Promise<void>;
  readonly stopAgent: () => Promise<void>;
  /** Kills a cart's application and its sidecar, as a machine dies. */
  readonly kill: (index: number) => Promise<void>;
  /** Starts both again; `serviceAccount`: as whom. */
  readonly revive: (index: number, serviceAccount?: string) => Promise<void>;
  /** Says which carts are ready. */
  readonly ready: (isReady: (cart: CartWords) => boolean) => Promise<void>;
}

interface Cart {
  readonly words: CartWords;
  /** Where its sidecar takes mTLS. */
  readonly door: number;
  backend: Program;
  sidecar: RunningEngine | undefined;
}

/** A member with carts, one in each zone, a gateway and a socket for programs. */
export async function startGrpcMember(
  mesh: TestMesh,
  name: string,
  options: {
    readonly region: string;
    readonly zones: readonly string[];
    /** Default: yes. */
    readonly hasSidecars?: boolean;
  },
): Promise<GrpcMember> {
  const [gatewayPort = 0, ...ports] = await freePorts(1 + 2 * options.zones.length);
  const words = options.zones.map((zone, index) => ({
    name: `cart-${name}-${zone}`,
    port: ports[2 * index] ?? 0,
    zone,
  }));
  const folder = mesh.servicesDir(name);
  await writeCarts(folder, words);
  const socket = join(mesh.dir, `${name}.sock`);
  const plain = mesh.agentConfig(name, options.region, gatewayPort);
  const xds = { ...plain.xds, socket: { path: socket, mode: "0600" as const } };
  const running = { agent: await mesh.startAgent({ ...plain, xds }) };
  const config = { ...plain, xds: { ...xds, listen: running.agent.xds } };
  const startSidecar = async (cart: Cart, serviceAccount: string): Promise<RunningEngine> => {
    const { port } = cart.words;
    // Under another name there is nothing to prove: it only stands where the cart stood.
    const isCart = serviceAccount === "cart";
    const endpoint = local(isCart ? port : port + 1);
    const sidecar = await mesh.startSidecar(name, {
      agent: running.agent.xds,
      workload: `${cart.words.name}-${(programs += 1)}`,
      serviceAccount,
      inbound: [{ endpoint, listen: local(cart.door), app: local(port) }],
    });
    await sidecar.whenReady;
    return sidecar;
  };
  const startCart = async (cart: CartWords, index: number): Promise<Cart> => {
    const backend = await startBackend(mesh, cart);
    return { words: cart, door: ports[2 * index + 1] ?? 0, backend, sidecar: undefined };
  };
  const [gateway, ...carts] = await Promise.all([
    mesh.startGateway(name, { agent: running.agent.xds, port: gatewayPort }),
    ...words.map(startCart),
  ]);
  await Promise.all([running.agent.whenWarm, gateway.whenReady]);
  if (options.hasSidecars !== false) {
    for (const cart of carts) cart.sidecar = await startSidecar(cart, "cart");
  }
  const at = (index: number): Cart => {
    const cart = carts[index];
    if (cart === undefined) throw new RangeError(`there is no cart ${index}`);
    return cart;
  };
  return {
    name,
    get agent() {
      return running.agent;
    },
    socket,
    carts: words,
    stopAgent: () => running.agent.stop({ deadlineMs: 0 }),
    restartAgent: async () => {
      running.agent = await mesh.startAgent(config);
      await running.agent.whenWarm;
    },
    kill: async (index) => {
      await Promise.all([at(index).backend.kill(), at(index).sidecar?.stop({ deadlineMs: 0 })]);
    },
    revive: async (index, serviceAccount = "cart") => {
      at(index).backend = await startBackend(mesh, at(index).words);
      at(index).sidecar = await startSidecar(at(index), serviceAccount);
    },
    ready: (isReady) =>
      writeCarts(
        folder,
        words.map((cart) => ({ ...cart, isReady: isReady(cart) })),
      ),
  };
}

export type Library = "grpc-js" | "python";

export interface Told {
  readonly answer?: string;
  readonly code?: number;
  readonly error?: string;
  readonly tookMs: number;
}

export interface ForeignClient extends AsyncDisposable {
  readonly ask: (deadlineMs?: number) => Promise<Told>;
  /** Asks until it is answered by `name`; returns all that came before. */
  readonly askUntil: (name: string) => Promise<readonly Told[]>;
}

export interface ClientWish {
  readonly library: Library;
  readonly target: string;
  readonly sni?: string;
  readonly security?: "mtls" | "plaintext";
  readonly zone?: string;
  /** Leaves the certificates out of the bootstrap. */
  readonly isBare?: boolean;
}

/** A program with a gRPC library that asks the agent of `member` itself. */
export async function startClient(
  mesh: TestMesh,
  member: Pick<GrpcMember, "name" | "socket">,
  wish: ClientWish,
): Promise<ForeignClient> {
  const { library, target, sni = "", security = "mtls" } = wish;
  const dir = join(mesh.dir, member.name, `program-${(programs += 1)}`);
  const trust = join(mesh.dir, member.name, "trust");
  await makeWorkload({ account: "shop/frontend", dir: trust, out: dir });
  const bootstrap = bootstrapFor({ socket: member.socket, dir, wish });
  const command = library === "python" ? python : process.execPath;
  const file = library === "python" ? "client.py" : "grpc-js-client.ts";
  const program = new Program(command, [join(here, file), target, security, sni], {
    GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap),
    // Its own remarks on what it retries are no part of a test's output.
    GRPC_VERBOSITY: "NONE",
  });
  mesh.defer(() => program.kill());
  const ask = async (deadlineMs = 5000): Promise<Told> =>
    JSON.parse(await program.ask(String(deadlineMs))) as Told;
  const askUntil = async (name: string): Promise<readonly Told[]> => {
    const before: Told[] = [];
    const endsAtMs = performance.now() + 30_000;
    for (;;) {
      const told = await ask();
      if (told.answer === name) return before;
      before.push(told);
      if (performance.now() > endsAtMs)
        throw new Error(`never answered by ${name}: ${JSON.stringify(before.slice(-3))}`);
      await wait(5);
    }
  };
  return { ask, askUntil, [Symbol.asyncDispose]: () => program.kill() };
}

/** As docs/foreign-clients.md shows it. */
function bootstrapFor(of: {
  readonly socket: string;
  readonly dir: string;
  readonly wish: ClientWish;
}): object {
  const { security = "mtls", zone = "a", isBare } = of.wish;
  const files = {
    certificate_file: join(of.dir, "svid.pem"),
    private_key_file: join(of.dir, "svid.key"),
    ca_certificate_file: join(of.dir, "bundle.pem"),
    refresh_interval: "10s",
  };
  return {
    xds_servers: [
      {
        server_uri: `unix:${of.socket}`,
        channel_creds: [{ type: "insecure" }],
        server_features: ["xds_v3"],
      },
    ],
    node: {
      id: "grpc/shop/frontend-1",
      locality: { zone },
      metadata: { role: "grpc", security },
    },
    ...(isBare === true
      ? {}
      : {
          certificate_providers: { isthmus: { plugin_name: "file_watcher", config: files } },
        }),
  };
}
