// A real Envoy, driven by our own ADS server over loopback.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Identity } from "../../src/mesh/ports.ts";
import { AdsServer } from "../../src/proxy/io/ads-server.ts";
import type { Dialect } from "../../src/proxy/io/ads-stream.ts";
import type { Nack } from "../../src/xds/answers.ts";
import type { Resource, XdsType } from "../../src/xds/resource.ts";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { quietLog, realClock } from "./world.ts";

/** `npm test` provides the binary; without it tests skip, unless in CI. */
export const skipWithoutEnvoy: string | false =
  process.env["ISTHMUS_ENVOY"] === undefined && process.env["CI"] === undefined
    ? "no Envoy: set ISTHMUS_ENVOY=$(node scripts/envoy.mjs)"
    : false;

export interface EnvoyProcess extends AsyncDisposable {
  readonly pid: number;
  /** GET on the admin interface, parsed. */
  readonly admin: <Answer>(path: string) => Promise<Answer>;
}

export interface RealEnvoy extends EnvoyProcess {
  /** Makes Envoy hold exactly these; resolves when it has accepted all that it asked for, or refused some. */
  readonly hold: (resources: readonly Resource[]) => Promise<readonly Nack[]>;
}

export async function startEnvoy(
  nodeId: string,
  identity: Identity,
  dialect: Dialect = "delta",
): Promise<RealEnvoy> {
  const set = new ResourceSet("golden");
  const nacks: Nack[] = [];
  const ads = new AdsServer({
    clock: realClock,
    log: quietLog,
    admit: () => ({ t: "ok", view: { sets: [set] } }),
    isWarm: () => true,
    peerOf: () => undefined,
    allowsAnonymous: true,
    // Nobody's traffic is at stake.
    limits: { removalGraceMs: 0 },
    observer: { onNack: (_node, _type, nack) => nacks.push(nack) },
  });
  const server = new Server();
  ads.register(server);
  const port = await listen(server);
  const envoy = await startEnvoyAt(port, { nodeId, identity, dialect });
  return {
    ...envoy,
    hold: async (resources) => {
      nacks.length = 0;
      set.replace(resources);
      await until(() => nacks.length > 0 || isHeld(ads.heldBy(nodeId) ?? [], resources));
      return [...nacks];
    },
    [Symbol.asyncDispose]: async () => {
      await envoy[Symbol.asyncDispose]();
      ads[Symbol.dispose]();
      server.forceShutdown();
    },
  };
}

/** An Envoy that asks the plaintext ADS server at this port. */
export async function startEnvoyAt(
  port: number,
  as: { readonly nodeId: string; readonly identity?: Identity; readonly dialect?: Dialect },
): Promise<EnvoyProcess> {
  const binary = process.env["ISTHMUS_ENVOY"];
  assert.ok(binary, "Cannot run Envoy: ISTHMUS_ENVOY is not set");
  const folder = mkdtempSync(join(tmpdir(), "isthmus-envoy-"));
  if (as.identity !== undefined) writeIdentity(folder, as.identity);
  const config = bootstrap(as.nodeId, { port, dialect: as.dialect ?? "delta" });
  const child = spawnEnvoy(binary, { folder, config });
  const adminUrl = await adminOf(folder, child);
  return {
    pid: child.pid ?? 0,
    admin: async <Answer>(path: string) =>
      JSON.parse(await (await fetch(`${adminUrl}${path}`)).text()) as Answer,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true });
    },
  };
}

/** Names that Envoy asks for by itself must all be accepted, the others as far as it asked. */
function isHeld(
  held: readonly {
    readonly type: XdsType;
    readonly name: string;
    readonly version: string;
    readonly state: string;
  }[],
  wanted: readonly Resource[],
): boolean {
  const versions = new Map(
    wanted.map((resource) => [`${resource.type} ${resource.name}`, resource.version]),
  );
  const byName = new Map(held.map((resource) => [`${resource.type} ${resource.name}`, resource]));
  const isFresh = held.every(({ type, name, version, state }) => {
    return state === "acked" && versions.get(`${type} ${name}`) === version;
  });
  const ownTypes = new Set<XdsType>(["cluster", "endpoint", "listener"]);
  return (
    isFresh &&
    wanted.every(({ type, name }) => !ownTypes.has(type) || byName.has(`${type} ${name}`))
  );
}

export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, "What was waited for did not happen within 20 s");
    await delay(10);
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

function writeIdentity(folder: string, identity: Identity): void {
  mkdirSync(join(folder, "identity"));
  writeFileSync(join(folder, "identity/svid.pem"), identity.certChainPem);
  writeFileSync(join(folder, "identity/svid.key"), identity.privateKeyPem.reveal(), {
    mode: 0o600,
  });
  const secret = {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    name: "identity",
    tlsCertificate: {
      certificateChain: { filename: "identity/svid.pem" },
      privateKey: { filename: "identity/svid.key" },
    },
  };
  writeFileSync(join(folder, "identity/sds.json"), JSON.stringify({ resources: [secret] }));
}

function bootstrap(
  nodeId: string,
  { port, dialect }: { readonly port: number; readonly dialect: Dialect },
): object {
  const ads = { ads: {}, resourceApiVersion: "V3" };
  return {
    node: { id: nodeId, cluster: "golden" },
    admin: { address: { socketAddress: { address: "127.0.0.1", portValue: 0 } } },
    dynamicResources: {
      cdsConfig: ads,
      ldsConfig: ads,
      adsConfig: {
        apiType: dialect === "delta" ? "DELTA_GRPC" : "GRPC",
        transportApiVersion: "V3",
        setNodeOnFirstMessageOnly: true,
        grpcServices: [{ envoyGrpc: { clusterName: "xds" } }],
      },
    },
    staticResources: { clusters: [xdsCluster(port)] },
  };
}

function xdsCluster(port: number): object {
  const address = { socketAddress: { address: "127.0.0.1", portValue: port } };
  return {
    name: "xds",
    connectTimeout: "1s",
    loadAssignment: {
      clusterName: "xds",
      endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }],
    },
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        explicitHttpConfig: { http2ProtocolOptions: {} },
      },
    },
  };
}

function spawnEnvoy(
  binary: string,
  { folder, config }: { readonly folder: string; readonly config: object },
): ChildProcess {
  writeFileSync(join(folder, "bootstrap.json"), JSON.stringify(config));
  const flags = ["-c", "bootstrap.json", "--admin-address-path", "admin", "--concurrency", "1"];
  const quiet = ["--disable-hot-restart", "--log-level", "warn", "--log-path", "log"];
  return spawn(binary, [...flags, ...quiet], { cwd: folder, stdio: "ignore" });
}

async function adminOf(folder: string, child: ChildProcess): Promise<string> {
  let address = "";
  await until(() => {
    assert.equal(child.exitCode, null, `Envoy ended:\n${readIfThere(join(folder, "log"))}`);
    address = readIfThere(join(folder, "admin"));
    return address !== "";
  });
  return `http://${address}`;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
