import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openRegions, type Region, type Regions, regionNames, whyNoRegions } from "./regions.ts";

const echo = [process.execPath, fileURLToPath(new URL("echo.ts", import.meta.url))];

const missing = whyNoRegions();
const skip = missing !== undefined && process.env["CI"] === undefined ? missing : false;

suite("regions on one machine", { skip }, () => {
  let regions: Regions;
  before(async () => {
    regions = await openRegions();
    const servers = regionNames.map((region) =>
      regions.spawn(region, [...echo, "serve", regions.address(region)]),
    );
    await Promise.all(servers.flatMap(({ stdout }) => (stdout ? [once(stdout, "data")] : [])));
  });
  after(async () => {
    await regions[Symbol.asyncDispose]();
  });

  /** How long answers from there took; lost ones are left out. */
  const echoes = async (from: Region, to: Region): Promise<readonly number[]> => {
    const out = await regions.exec(from, [...echo, "ask", regions.address(to), "5"]);
    return out.split("\n").filter(Boolean).map(Number);
  };

  test("a round trip takes what the link says, and little more", async () => {
    for (const [from, to, rttMs] of [
      ["eu", "us", 60],
      ["us", "ap", 90],
      ["ap", "eu", 120],
    ] as const) {
      // A busy machine adds to it at times; the link takes nothing off.
      let fastestMs = Number.POSITIVE_INFINITY;
      for (let attempt = 0; attempt < 20 && fastestMs > rttMs * 1.5; attempt += 1) {
        fastestMs = Math.min(fastestMs, ...(await echoes(from, to)));
      }
      assert.ok(fastestMs >= rttMs && fastestMs < rttMs * 1.5, `${from}-${to}: ${fastestMs} ms`);
    }
  });

  test("a partition lets nothing through, and heal() ends it", async () => {
    await regions.partition("eu", "us");
    assert.deepEqual(await echoes("eu", "us"), []);
    assert.notDeepEqual(await echoes("eu", "ap"), []);
    await regions.heal();
    assert.equal((await echoes("eu", "us")).length, 5);
  });

  test("a partition of one way loses the answers, too", async () => {
    await regions.partition("us", "eu", { isOneWay: true });
    assert.deepEqual(await echoes("eu", "us"), []);
    await regions.heal();
  });

  test("a link that loses all packets delivers none", async () => {
    await regions.link("eu", "ap", { lossRatio: 1 });
    assert.deepEqual(await echoes("eu", "ap"), []);
    await regions.link("eu", "ap", { lossRatio: 0 });
    assert.equal((await echoes("eu", "ap")).length, 5);
  });
});

suite("regions of a killed process", { skip }, () => {
  test("nothing of them is left", async () => {
    const path = fileURLToPath(new URL("killed-process.ts", import.meta.url));
    const child = fork(path, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const [insidePid] = (await once(child, "message")) as [number];
    const isOurs = (name: string): boolean => name.startsWith(`isthmus-t-${child.pid}-`);
    assert.equal((await readdir("/run/netns")).filter(isOurs).length, 3);
    child.kill("SIGKILL");
    const deadlineMs = Date.now() + 20_000;
    while (Date.now() < deadlineMs) {
      if (!(await readdir("/run/netns")).some(isOurs)) break;
      await wait(20);
    }
    assert.deepEqual((await readdir("/run/netns")).filter(isOurs), []);
    // Where nobody collects the dead, they stay in the list as such.
    const stat = await readFile(`/proc/${insidePid}/stat`, "utf8").catch(() => "gone");
    assert.match(stat, /^gone$|\) Z /);
  });
});
