import { writeFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { mesh } from "../../discovery/support/made.ts";
import { type Fault, redisFault } from "../support/redis-fault.ts";
import { members, type RedisStage } from "../support/redis-stage.ts";

const faultMs = 6000;

/** The hub does not let members in, or lets them do less than they must. */
export const accessFaults: readonly Fault[] = [
  redisFault(
    "no-permission",
    "members may read and no longer write (NOPERM)",
    {},
    async ({ server }) => {
      await server.command("ACL", "SETUSER", "default", "-@write", "-@scripting");
      await wait(faultMs);
      await server.command("ACL", "SETUSER", "default", "+@all");
    },
  ),
  redisFault("no-keys", "members may touch no key at all (NOPERM)", {}, async ({ server }) => {
    await server.command("ACL", "SETUSER", "default", "resetkeys");
    await wait(faultMs);
    await server.command("ACL", "SETUSER", "default", "~*");
  }),
];
void writeFile;
void mesh;
void members;
void (0 as unknown as RedisStage);
