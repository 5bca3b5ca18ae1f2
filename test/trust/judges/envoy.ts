import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Exhibits, Judge, Verdict } from "./exhibits.ts";
import { dial, dialPlain, type Port, serve, shownBy } from "./tls-peer.ts";

/** `npm test` provides the pinned one. */
export const envoyBinary: string | undefined = process.env["ISTHMUS_ENVOY"];

const tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/** A real Envoy (BoringSSL): as server it judges our client, as client it judges our servers. */
export const askEnvoy: Judge = async (exhibits) => {
  await using stack = new AsyncDisposableStack();
  const backends: Port[] = [];
  for (const exhibit of exhibits.list) backends.push(stack.use(await serve(shownBy(exhibit))));
  const envoy = stack.use(await startEnvoy(configFor(exhibits, backends)));
  const portOf = await envoy.ports();
  const verdicts: (Verdict | "mixed")[] = [];
  for (const [index, exhibit] of exhibits.list.entries()) {
    const asClient = await dial(portOf("server"), { shown: shownBy(exhibit) });
    const asServer = await dialPlain(portOf(`client-${index}`));
    verdicts.push(asClient === asServer ? asClient : "mixed");
  }
  return verdicts;
};

function configFor(exhibits: Exhibits, backends: readonly Port[]): object {
  const validationContext = { trustedCa: { inlineString: exhibits.rootPem } };
  const [good] = exhibits.list;
  const certificate = {
    certificateChain: { inlineString: good?.chainPem },
    privateKey: { inlineString: good?.keyPem },
  };
  const clients = backends.map((_backend, index) => ({
    ...listener(`client-${index}`),
    filterChains: [{ filters: [tcpProxy(`backend-${index}`)] }],
  }));
  const server = {
    ...listener("server"),
    filterChains: [
      {
        transportSocket: transportSocket("DownstreamTlsContext", {
          requireClientCertificate: true,
          commonTlsContext: { tlsCertificates: [certificate], validationContext },
        }),
        filters: [echo],
      },
    ],
  };
  const clusters = backends.map(({ port }, index) => ({
    name: `backend-${index}`,
    connectTimeout: "5s",
    loadAssignment: {
      clusterName: `backend-${index}`,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: address(port) } }] }],
    },
    transportSocket: transportSocket("UpstreamTlsContext", {
      commonTlsContext: { validationContext, tlsParams: { tlsMaximumProtocolVersion: "TLSv1_3" } },
    }),
  }));
  return {
    admin: { address: address(0) },
    staticResources: { listeners: [server, ...clients], clusters },
  };
}

function address(portValue: number): object {
  return { socketAddress: { address: "127.0.0.1", portValue } };
}

function listener(name: string): { name: string; address: object } {
  return { name, address: address(0) };
}

function transportSocket(kind: string, context: object): object {
  const typedConfig = { "@type": `${tls}.${kind}`, ...context };
  return { name: "envoy.transport_sockets.tls", typedConfig };
}

function tcpProxy(cluster: string): object {
  const kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
  return { name: "tcp_proxy", typedConfig: { "@type": kind, statPrefix: cluster, cluster } };
}

// Not `direct_response`: that one closes before the handshake is through.
const echo = {
  name: "echo",
  typedConfig: { "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo" },
};

export interface RunningEnvoy extends AsyncDisposable {
  /** Where each listener really listens, by its name. */
  readonly ports: () => Promise<(listener: string) => number>;
}

/** Runs Envoy in a folder of its own, or in the given one. */
export async function startEnvoy(config: object, folder?: string): Promise<RunningEnvoy> {
  assert.ok(envoyBinary, "Cannot run Envoy: ISTHMUS_ENVOY is not set");
  const own = await mkdtemp(join(tmpdir(), "isthmus-envoy-"));
  const file = join(own, "envoy.json");
  await writeFile(file, JSON.stringify(config));
  const flags = ["-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  const files = ["--admin-address-path", join(own, "admin"), "--log-path", join(own, "log")];
  const child = spawn(envoyBinary, [...flags, ...files], { cwd: folder ?? own, stdio: "ignore" });
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    await rm(own, { recursive: true });
  };
  try {
    const admin = await until(async () => {
      if (child.exitCode !== null) assert.fail(await readFile(join(own, "log"), "utf8"));
      return await readFile(join(own, "admin"), "utf8").catch(() => undefined);
    });
    await until(async () => {
      const ready = await fetch(`http://${admin}/ready`).catch(() => undefined);
      return ready?.status === 200 ? true : undefined;
    });
    return { ports: async () => await portsOf(admin), [Symbol.asyncDispose]: stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

interface ListenerStatus {
  readonly name: string;
  readonly local_address: { readonly socket_address: { readonly port_value: number } };
}

async function portsOf(admin: string): Promise<(listener: string) => number> {
  const answer = await fetch(`http://${admin}/listeners?format=json`);
  const { listener_statuses: found } = (await answer.json()) as {
    listener_statuses: readonly ListenerStatus[];
  };
  const ports = new Map(
    found.map((one) => [one.name, one.local_address.socket_address.port_value]),
  );
  return (name) => ports.get(name) ?? assert.fail(`Envoy has no listener ${name}`);
}

/** Asks every 20 ms until there is an answer. */
export async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== "") return answer;
    assert.ok(performance.now() < deadline, "What was waited for did not happen within 20 s");
    await wait(20);
  }
}
