// A mesh whose `cart` speaks gRPC, with applications and foreign clients as processes of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import { makeWorkload } from "../../../../src/app/trust-tasks.ts";
import { freePorts } from "../../support/free-port.ts";
import { local, type TestMesh } from "../../support/test-mesh.ts";

const here = import.meta.dirname;

/** A program that answers line for line. */
export class Program implements AsyncDisposable {
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

export interface Backend extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly kill: () => Promise<void>;
}

export async function startBackend(mesh: TestMesh, name: string, port: number): Promise<Backend> {
  const program = new Program(process.execPath, [join(here, "backend.ts"), String(port), name]);
  mesh.defer(() => program.kill());
  await program.line();
  const kill = (): Promise<void> => program.kill();
  return { name, port, kill, [Symbol.asyncDispose]: kill };
}

export interface CartWords {
  readonly name: string;
  readonly port: number;
  readonly zone?: string;
  readonly isReady?: boolean;
}

/** `shop/cart` with one gRPC port 80, exported. */
export async function writeCarts(folder: string, carts: readonly CartWords[]): Promise<void> {
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
  readonly socket: string;
  readonly carts: readonly Backend[];
  readonly words: readonly CartWords[];
  /** Kills a cart's application and its sidecar, as a machine dies. */
  readonly killCart: (index: number) => Promise<void>;
}

/** A member with carts behind sidecars, one in each zone, a gateway and a socket for programs. */
export async function startGrpcMember(
  mesh: TestMesh,
  name: string,
  options: { readonly region: string; readonly zones: readonly string[] },
): Promise<GrpcMember> {
  const [gatewayPort = 0, ...ports] = await freePorts(1 + 2 * options.zones.length);
  const words = options.zones.map((zone, index) => ({
    name: `cart-${name}-${zone}`,
    port: ports[2 * index] ?? 0,
    zone,
  }));
  await writeCarts(mesh.servicesDir(name), words);
  const carts = await Promise.all(words.map((cart) => startBackend(mesh, cart.name, cart.port)));
  const socket = join(mesh.dir, `${name}.sock`);
  const config = mesh.agentConfig(name, options.region, gatewayPort);
  const agent = await mesh.startAgent({
    ...config,
    xds: { ...config.xds, socket: { path: socket, mode: "0600" } },
  });
  const [gateway, ...sidecars] = await Promise.all([
    mesh.startGateway(name, { agent: agent.xds, port: gatewayPort }),
    ...words.map((cart, index) =>
      mesh.startSidecar(name, {
        agent: agent.xds,
        workload: cart.name,
        serviceAccount: "cart",
        inbound: [
          {
            endpoint: local(cart.port),
            listen: local(ports[2 * index + 1] ?? 0),
            app: local(cart.port),
          },
        ],
      }),
    ),
  ]);
  await Promise.all([agent.whenWarm, gateway.whenReady, ...sidecars.map((each) => each.whenReady)]);
  const killCart = async (index: number): Promise<void> => {
    await Promise.all([carts[index]?.kill(), sidecars[index]?.stop({ deadlineMs: 0 })]);
  };
  return { name, agent, socket, carts, words, killCart };
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

/** A program with a gRPC library that asks the agent of `member` itself. */
export async function startClient(
  mesh: TestMesh,
  member: Pick<GrpcMember, "name" | "socket">,
  options: {
    readonly library: Library;
    readonly target: string;
    readonly sni?: string;
    readonly security?: "mtls" | "plaintext";
    readonly zone?: string;
  },
): Promise<ForeignClient> {
  const { library, target, sni = "", security = "mtls", zone = "a" } = options;
  const dir = join(mesh.dir, member.name, "frontend");
  await makeWorkload({
    account: "shop/frontend",
    dir: join(mesh.dir, member.name, "trust"),
    out: dir,
  });
  const bootstrap = bootstrapFor({ socket: member.socket, dir, security, zone });
  const command = library === "python" ? "/usr/bin/python3" : process.execPath;
  const file = library === "python" ? "client.py" : "grpc-js-client.ts";
  const program = new Program(command, [join(here, file), target, security, sni], {
    GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap),
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
    }
  };
  return { ask, askUntil, [Symbol.asyncDispose]: () => program.kill() };
}

/** As docs/foreign-clients.md shows it. */
function bootstrapFor(of: {
  readonly socket: string;
  readonly dir: string;
  readonly security: string;
  readonly zone: string;
}): object {
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
      locality: { zone: of.zone },
      metadata: { role: "grpc", security: of.security },
    },
    certificate_providers: {
      isthmus: {
        plugin_name: "file_watcher",
        config: {
          certificate_file: join(of.dir, "svid.pem"),
          private_key_file: join(of.dir, "svid.key"),
          ca_certificate_file: join(of.dir, "bundle.pem"),
          refresh_interval: "10s",
        },
      },
    },
  };
}
