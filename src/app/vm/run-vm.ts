import { destination } from "pino";
import { createLog } from "../../telemetry/io/log.ts";
import { startSidecar } from "../launcher/engine-launcher.ts";
import { runService } from "../lifecycle.ts";
import { openServiceManager } from "../service-manager.ts";
import { checkOwner } from "./folder-owner.ts";
import { type JoinedVm, joinVmFolder } from "./join/join-vm.ts";
import { openStateFolder } from "./join/state-folder.ts";
import type { VmOptions } from "./join/vm-words.ts";

/** What is said to whoever typed the command. */
export interface VmSaid {
  readonly joined: (vm: JoinedVm) => void;
  /** The agent was told that its first configuration is in force. Since this process began. */
  readonly ready: (afterMs: number) => void;
}

/**
 * `isthmus vm join`: joins, then is the VM's sidecar until a signal. The log goes to standard error. Returns the
 * exit code; throws as `joinVmFolder` and `startSidecar`.
 */
export async function runVm(options: VmOptions, said: VmSaid): Promise<number> {
  const log = createLog({
    level: "info",
    fields: { role: "sidecar", name: options.name },
    to: destination({ fd: 2, sync: true }),
  });
  using manager = openServiceManager(log);
  return await runService(
    async (signal) => {
      await using opened = new AsyncDisposableStack();
      await checkOwner(options.dir);
      const folder = opened.use(await openStateFolder(options.dir));
      const vm = await joinVmFolder(options, { folder, nowMs: Date.now(), log, signal });
      said.joined(vm);
      const engine = await startSidecar(vm.config, { log, signal });
      engine.whenReady.then(
        () => {
          said.ready(performance.now());
          manager.ready(`${vm.id} serves`);
        },
        // The engine has said why and tries again.
        () => undefined,
      );
      const owned = opened.move();
      return {
        stop: async (how) => {
          manager.stopping();
          await engine.stop(how);
          await owned.disposeAsync();
        },
      };
    },
    { log },
  );
}
