import { type ShopApp, startShopApp } from "../../../examples/shop/app.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { Log } from "../../mesh/ports.ts";
import type { RunningEngine } from "../launcher/engine-launcher.ts";
import { demoLog } from "./demo-log.ts";
import { runLoad } from "./load.ts";
import type { FromPart, Part, ToPart, WorkloadPart } from "./part-messages.ts";
import type { Sample } from "./samples.ts";

/** What a part has running, reduced to what its parent may ask of it. */
interface RunningPart {
  /** Of its Envoys. */
  readonly pids: () => readonly number[];
  readonly setDraining: (service: string, isDraining: boolean) => void;
  readonly startLoad: () => void;
  readonly stop: () => Promise<void>;
}

// Samples travel in batches: one message per request would cost more than the request.
const batchMs = 50;
const stopDeadlineMs = 500;

/** The child's side of the demo: does what its parent says until told to stop or left alone. */
export async function runPart(options: {
  readonly type: string;
  readonly logFile: string;
}): Promise<void> {
  // While the parent makes keys; the relay has no use for an engine.
  if (options.type !== "wan") await engineLauncher();
  const log = demoLog(options.logFile);
  let running: RunningPart | undefined;
  const done = Promise.withResolvers<void>();
  const onMessage = async (message: ToPart): Promise<void> => {
    switch (message.t) {
      case "start":
        running = await startPart(message.part, log);
        return tell({ t: "ready", pids: running.pids() });
      case "drain":
        return running?.setDraining(message.service, message.isOn);
      case "load":
        return running?.startLoad();
      case "stop":
        await running?.stop();
        return done.resolve();
    }
  };
  process.on("message", (message: ToPart) => {
    onMessage(message).catch((error: unknown) => tell({ t: "failed", reason: reasonOf(error) }));
  });
  // The terminal sends Ctrl-C to the whole group: the parent decides when its parts go.
  process.on("SIGINT", () => undefined);
  process.once("disconnect", done.resolve);
  await done.promise;
  process.exit(0);
}

function engineLauncher(): Promise<typeof import("../launcher/engine-launcher.ts")> {
  return import("../launcher/engine-launcher.ts");
}

async function startPart(part: Part, log: Log): Promise<RunningPart> {
  switch (part.t) {
    case "workloads":
      return startWorkloads(part, log);
    case "gateway": {
      const { startGateway } = await engineLauncher();
      const gateway = await startGateway(part.config, { log });
      await gateway.whenReady;
      return {
        ...idle(() => gateway.stop({ deadlineMs: stopDeadlineMs })),
        pids: () => pidsOf([gateway]),
      };
    }
    case "wan": {
      const { openWanLink } = await import("./wan-link.ts");
      const links = await Promise.all(part.links.map(openWanLink));
      return idle(async () => links.forEach((link) => link.close()));
    }
  }
}

function idle(stop: () => Promise<void>): RunningPart {
  return { pids: () => [], setDraining: () => undefined, startLoad: () => undefined, stop };
}

function pidsOf(engines: readonly RunningEngine[]): readonly number[] {
  return engines.flatMap((engine) => engine.enginePid() ?? []);
}

async function startWorkloads(
  part: Extract<Part, { t: "workloads" }>,
  log: Log,
): Promise<RunningPart> {
  const each = part.groups.flatMap(({ member, workloads }) =>
    workloads.map((workload) => startWorkload({ member, workload }, log)),
  );
  const started = await Promise.all(each);
  const ended = new AbortController();
  return {
    pids: () => pidsOf(started.map(({ sidecar }) => sidecar)),
    setDraining: (service, isDraining) => {
      for (const each of started) if (each.service === service) each.app.setDraining(isDraining);
    },
    startLoad: () => startLoads(part, ended.signal),
    stop: async () => {
      ended.abort();
      await Promise.all(started.map(({ stop }) => stop()));
    },
  };
}

interface StartedWorkload {
  readonly service: string;
  readonly app: ShopApp;
  readonly sidecar: RunningEngine;
  readonly stop: () => Promise<void>;
}

async function startWorkload(
  what: { readonly member: string; readonly workload: WorkloadPart },
  log: Log,
): Promise<StartedWorkload> {
  const { sidecar: config, listen, ...rest } = what.workload;
  const app = await startShopApp({ ...rest, ...listen, member: what.member });
  const { startSidecar } = await engineLauncher();
  const sidecar = await startSidecar(config, { log });
  await sidecar.whenReady;
  const stop = async (): Promise<void> => {
    await Promise.all([sidecar.stop({ deadlineMs: stopDeadlineMs }), app.close()]);
  };
  return { service: what.workload.service, app, sidecar, stop };
}

function startLoads(part: Extract<Part, { t: "workloads" }>, signal: AbortSignal): void {
  let batch: Sample[] = [];
  const timer = setInterval(() => {
    if (batch.length > 0) tell({ t: "samples", samples: batch });
    batch = [];
  }, batchMs);
  signal.addEventListener("abort", () => clearInterval(timer));
  for (const load of part.loads) {
    const onSample = (sample: Sample): void => void batch.push(sample);
    runLoad({ ...load, onSample, signal }).catch((error: unknown) =>
      tell({ t: "failed", reason: reasonOf(error) }),
    );
  }
}

function tell(message: FromPart): void {
  // A parent that is gone closes the channel; the disconnect event ends this process.
  if (process.connected) process.send?.(message);
}
