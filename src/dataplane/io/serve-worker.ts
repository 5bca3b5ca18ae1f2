import { parentPort, workerData } from "node:worker_threads";
import { reasonOf } from "../../mesh/errors.ts";
import type { Identity, IdentitySource } from "../../mesh/ports.ts";
import { Secret } from "../../mesh/secret.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import type { FromWorker, PlainIdentity, ToWorker, WorkerStart } from "./workers.ts";

const statusMs = 500;

/** True inside a thread that `EngineWorkers` started. */
export function isEngineWorker(): boolean {
  return parentPort !== null && (workerData as Partial<WorkerStart> | null)?.isthmusEngine === true;
}

/** Runs one engine for the parent thread until it says drain or close. Call it in the entry module. */
export function serveEngineWorker(
  parts: Pick<EngineOptions, "spiffeIdOf" | "verifyChain" | "log" | "clock" | "random">,
): void {
  const port = parentPort;
  if (port === null) throw new TypeError("An engine worker runs in a worker thread");
  const {
    identity: first,
    node,
    agent,
    otherAgents = [],
    agentId,
    limits,
  } = workerData as WorkerStart;
  const identity = replaceable(first);
  const engine = new Engine({
    ...parts,
    node,
    agent,
    otherAgents,
    agentId,
    ...(limits === undefined ? {} : { limits }),
    identity,
    reusePort: true,
  });
  const tell = (message: FromWorker): void => port.postMessage(message);
  const tellStatus = (): void => tell({ t: "status", status: engine.status() });
  const timer = setInterval(tellStatus, statusMs);
  engine.ready.then(
    () => {
      tellStatus();
      tell({ t: "ready" });
    },
    (cause) => tell({ t: "failed", reason: reasonOf(cause) }),
  );
  const end = async (ended: Promise<void>): Promise<void> => {
    await ended;
    clearInterval(timer);
    tellStatus();
    // Without a port nothing keeps the thread alive.
    port.close();
  };
  port.on("message", (message: ToWorker) => {
    if (message.t === "identity") identity.replace(message.identity);
    else void end(message.t === "drain" ? engine.drain(message.graceMs) : engine.close());
  });
}

function replaceable(
  first: PlainIdentity,
): IdentitySource & { readonly replace: (next: PlainIdentity) => void } {
  let current = identityOf(first);
  const listeners = new Set<(identity: Identity) => void>();
  return {
    current: () => current,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    replace: (next) => {
      current = identityOf(next);
      for (const listener of listeners) listener(current);
    },
  };
}

function identityOf({ privateKeyText, ...identity }: PlainIdentity): Identity {
  return { ...identity, privateKeyPem: new Secret(privateKeyText) };
}
