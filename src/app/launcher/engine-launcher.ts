import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { JsonObject } from "@bufbuild/protobuf";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { infrastructureSpiffeId, spiffePartsOf } from "../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../mesh/ports.ts";
import { createTelemetry } from "../../telemetry/registry.ts";
import { saveIdentity } from "../../trust/io/identity-store.ts";
import { holdIdentity, type IdentityHolder, renewIdentity } from "../../trust/io/renewal.ts";
import type { GatewayConfig, SidecarConfig } from "../config/config.ts";
import { startHttp } from "../http-server.ts";
import { realClock } from "../real-time.ts";
import { startNames } from "../vm/names/start-names.ts";
import { captureListens, captureMetadata } from "./capture-metadata.ts";
import { engineRoutes } from "./engine-routes.ts";
import { Farewell } from "./farewell.ts";
import { type FirstIdentityParts, firstIdentity, nextIdentity } from "./first-identity.ts";
import {
  openRegistration,
  type RegistrationParts,
  type RunningRegistration,
} from "./registration/start-registration.ts";
import { startEngine } from "./start-engine.ts";
import { checkSvid, defaultCheckEveryMs, dueCalls } from "./svid-check.ts";

/** What the world around a launcher is made of. */
export interface LauncherParts {
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Ends a start that waits for its first identity. */
  readonly signal?: AbortSignal;
}

export interface RunningEngine extends AsyncDisposable {
  /** `http://127.0.0.1:15021`, with the port it really has. */
  readonly adminUrl: string;
  /** Resolves when every listener of the first configuration listens and the agent was told so. */
  readonly whenReady: Promise<void>;
  /** Where each Envoy listener, by its xDS name, really listens. */
  readonly listening: () => ReadonlyMap<string, HostPort>;
  /** Of the Envoy that runs now; undefined: this process is the engine. */
  readonly enginePid: () => number | undefined;
  /** Takes no new connections, lets old ones end within `deadlineMs`, then cuts them. */
  readonly stop: (options: { readonly deadlineMs: number }) => Promise<void>;
}

/**
 * Resolves when the engine runs and its admin port listens; it need not have an agent yet. Throws
 * MESH_LISTEN_FAILED, MESH_CONFIG_INVALID (the identity is not a gateway's), MESH_TRUST_… and MESH_ENGINE_….
 */
export async function startGateway(
  config: GatewayConfig,
  parts: LauncherParts,
): Promise<RunningEngine> {
  const identity = holdIdentity(await firstIdentity(config, partsOf(parts)));
  const address = config.address ?? config.listen;
  return launch(config, parts, {
    identity,
    id: `gateway/isthmus/${nodeWord(hostname())}`,
    metadata: {
      role: "gateway",
      engine: config.engine,
      listen: formatHostPort(config.listen),
      address: formatHostPort(address),
    },
    zone: "",
    listens: [config.listen],
    door: address,
  });
}

/**
 * Resolves when the engine runs and its admin port listens; it need not have an agent yet. Throws
 * MESH_LISTEN_FAILED, MESH_CONFIG_INVALID (the identity is another workload's), MESH_TRUST_… and
 * MESH_ENGINE_….
 */
export async function startSidecar(
  config: SidecarConfig,
  parts: LauncherParts,
): Promise<RunningEngine> {
  const identity = holdIdentity(await firstIdentity(config, partsOf(parts)));
  return launch(config, parts, {
    identity,
    id: `sidecar/${config.namespace}/${nodeWord(config.workload)}`,
    metadata: sidecarMetadata(config),
    zone: config.zone ?? "",
    listens: [
      ...[...config.upstreams, ...config.inbound].map(({ listen }) => listen),
      ...captureListens(config.capture),
    ],
  });
}

function partsOf(parts: LauncherParts): FirstIdentityParts {
  const { clock = realClock, random = Math.random, log } = parts;
  return { clock, random, log, signal: parts.signal ?? new AbortController().signal };
}

interface Node {
  readonly identity: IdentityHolder;
  /** Without the part that tells restarts apart. */
  readonly id: string;
  readonly metadata: JsonObject;
  /** Empty when unknown. */
  readonly zone: string;
  /** What the agent will tell it to listen on. */
  readonly listens: readonly HostPort[];
  /** The address of this member that leads here; absent: others do not dial it by itself. */
  readonly door?: HostPort;
}

async function launch(
  config: GatewayConfig | SidecarConfig,
  parts: LauncherParts,
  node: Node,
): Promise<RunningEngine> {
  const { log } = parts;
  const clock = parts.clock ?? realClock;
  const random = parts.random ?? Math.random;
  const { identity } = node;
  await using opened = new AsyncDisposableStack();
  const ending = new AbortController();
  const agentId = infrastructureSpiffeId(spiffePartsOf(identity.current().id).trustDomain, "agent");
  const due = dueCalls();
  const checking = checkSvid({
    ...config,
    agentId,
    identity,
    everyMs: config.identity.checkEveryMs ?? defaultCheckEveryMs,
    onDue: due.call,
    random,
    log,
    signal: ending.signal,
  });
  const renewing = renewIdentity({
    holder: identity,
    onDue: due.onCall,
    requestSvid: nextIdentity(config, { agentId, identity, clock }),
    save: (next) => saveIdentity(config.identity.dir, next),
    clock,
    random,
    log,
    signal: ending.signal,
  });
  opened.defer(async () => {
    ending.abort(new Error("the engine is closing"));
    await Promise.all([renewing, checking]);
  });
  const instance = `${node.id}/${randomBytes(4).toString("hex")}`;
  const engine = await startEngine(config, {
    ...node,
    id: instance,
    agentId,
    log,
    clock,
    random,
  });
  const graceful = { ms: 0 };
  opened.defer(() => (graceful.ms > 0 ? engine.drain(graceful.ms) : engine.close()));
  const registration = await registrationOf(config, { agentId, identity, clock, random, log });
  if (registration !== undefined) opened.use(registration);
  const farewell = opened.use(
    new Farewell({
      config,
      door: node.door,
      registration,
      agentId,
      identity,
      instance,
      clock,
      log,
    }),
  );
  const first: { afterMs?: number } = {};
  engine.ready.then(
    () => {
      first.afterMs = performance.now();
      farewell.arrived();
      registration?.start();
    },
    // The engine tries again; so does whoever waits for it.
    () => undefined,
  );
  const telemetry = createTelemetry("engine");
  const names = await startNames(config, { clock, telemetry, log });
  if (names !== undefined) opened.use(names);
  const isLeaving = (): boolean => farewell.isLeaving;
  const routes = engineRoutes({
    config,
    engine,
    identity,
    telemetry,
    node,
    isLeaving,
    firstConfigAfterMs: () => first.afterMs,
  });
  const admin = await startHttp({ listen: config.admin, routes, log });
  opened.defer(() => admin.close());
  log.info({ node: node.id, address: admin.url, id: identity.current().id }, "Engine runs");

  const owned = opened.move();
  let ended: Promise<void> | undefined;
  const end = async (deadlineMs: number): Promise<void> => {
    graceful.ms = deadlineMs === 0 ? 0 : deadlineMs - (await farewell.say(deadlineMs));
    await owned.disposeAsync();
  };
  const stop: RunningEngine["stop"] = ({ deadlineMs }) => {
    ended ??= end(deadlineMs);
    return ended;
  };
  return {
    adminUrl: admin.url,
    whenReady: engine.ready,
    listening: () => new Map(engine.listeners().map(({ name, address }) => [name, address])),
    enginePid: () => engine.pid(),
    stop,
    [Symbol.asyncDispose]: () => stop({ deadlineMs: 0 }),
  };
}

/** Undefined: some source of the agent names the workload, or it is a gateway. */
async function registrationOf(
  config: GatewayConfig | SidecarConfig,
  parts: RegistrationParts,
): Promise<RunningRegistration | undefined> {
  if (!("registration" in config) || config.registration === undefined) return undefined;
  return await openRegistration({ ...config, registration: config.registration }, parts);
}

function sidecarMetadata(config: SidecarConfig): JsonObject {
  return {
    role: "sidecar",
    engine: config.engine,
    namespace: config.namespace,
    workload: config.workload,
    serviceAccount: config.serviceAccount,
    ...(config.zone === undefined ? {} : { zone: config.zone }),
    ...captureMetadata(config.capture),
    upstreams: config.upstreams.map(({ service, port, listen }) => ({
      service,
      port,
      listen: formatHostPort(listen),
    })),
    inbound: config.inbound.map(({ endpoint, listen, app }) => ({
      endpoint: formatHostPort(endpoint),
      listen: formatHostPort(listen),
      app: formatHostPort(app),
    })),
  };
}

/** Node ids are paths of words. */
function nodeWord(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._-]/g, "-").slice(0, 100) || "unnamed";
}
