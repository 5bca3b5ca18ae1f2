import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePorts } from "../../app/support/free-port.ts";
import { type Fault, measureFault } from "../support/fault.ts";
import { makeHubCertificate } from "../support/hub-certificates.ts";
import { redisFault } from "../support/redis-fault.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { members, openRedisStage } from "../support/redis-stage.ts";

const faultMs = 6000;

/** The hub does not let members in, or lets them do less than they must. */
export const accessFaults: readonly Fault[] = [
  redisFault(
    "no-write",
    "members may read and no longer write (NOPERM)",
    {},
    async ({ server }) => {
      await server.command("ACL", "SETUSER", "default", "-@write");
      await wait(faultMs);
      await server.command("ACL", "SETUSER", "default", "+@all");
    },
  ),
  redisFault("no-scripts", "members may no longer run scripts (NOPERM)", {}, async ({ server }) => {
    await server.command("ACL", "SETUSER", "default", "-@scripting");
    await wait(faultMs);
    await server.command("ACL", "SETUSER", "default", "+@all");
  }),
  redisFault("no-keys", "members may touch no key at all (NOPERM)", {}, async ({ server }) => {
    await server.command("ACL", "SETUSER", "default", "resetkeys");
    await wait(faultMs);
    await server.command("ACL", "SETUSER", "default", "~*");
  }),
  {
    name: "wrong-password",
    title: "passwords change on the hub, the files follow later",
    run: () => inFolder(wrongPassword),
  },
  {
    name: "wrong-ca",
    title: "the hub shows another authority's certificate, caFile follows",
    run: () => inFolder(wrongAuthority),
  },
];

async function wrongPassword(dir: string): ReturnType<Fault["run"]> {
  const passwordFile = join(dir, "password");
  const setPassword = async (server: RedisServer, password: string): Promise<void> => {
    for (const member of members) {
      const rules = ["on", "resetpass", `>${password}`, "~*", "&*", "+@all"];
      await server.command("ACL", "SETUSER", member, ...rules);
    }
  };
  await writeFile(passwordFile, "first\n");
  await using stage = await openRedisStage({
    prepare: (server) => setPassword(server, "first"),
    access: (username) => ({ username, passwordFile }),
  });
  return await measureFault(stage.federation, async () => {
    await setPassword(stage.server, "second");
    for (const member of members) await stage.server.command("CLIENT", "KILL", "USER", member);
    await wait(faultMs);
    await writeFile(passwordFile, "second\n");
  });
}

async function wrongAuthority(dir: string): ReturnType<Fault["run"]> {
  const [first, second] = [
    await makeHubCertificate(dir, "first"),
    await makeHubCertificate(dir, "second"),
  ];
  const caFile = join(dir, "trusted.pem");
  await copyFile(first.caFile, caFile);
  const [tlsPort = 0] = await freePorts(1);
  const tls = { "tls-port": tlsPort, "tls-auth-clients": "no" };
  const shown = { "tls-cert-file": first.certFile, "tls-key-file": first.keyFile };
  const args = Object.entries({ ...tls, ...shown }).flatMap(([key, value]) => [
    `--${key}`,
    `${value}`,
  ]);
  await using stage = await openRedisStage({ args, tlsPort, access: () => ({ caFile }) });
  return await measureFault(stage.federation, async () => {
    const files = ["tls-cert-file", second.certFile, "tls-key-file", second.keyFile];
    await stage.server.command("CONFIG", "SET", ...files);
    for (const wire of stage.wires) await wire.cut();
    for (const wire of stage.wires) await wire.heal();
    await wait(faultMs);
    await copyFile(second.caFile, caFile);
  });
}

async function inFolder(run: (dir: string) => ReturnType<Fault["run"]>): ReturnType<Fault["run"]> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-access-"));
  try {
    return await run(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
