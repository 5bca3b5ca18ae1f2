import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { startApp } from "../app/support/shop.ts";
import { type MemberFolder, makeMemberFolder } from "./member-folder.ts";
import { Program, run } from "./program.ts";

// What the README tells a newcomer to type: trust, then agent, gateway and sidecars as processes.
suite("one member as processes", () => {
  let folder: MemberFolder;

  before(async () => {
    folder = await makeMemberFolder("embedded");
  });

  after(async () => {
    await folder.remove();
  });

  test("the files that trust writes run agent, gateway and sidecars, and a request arrives", async () => {
    const app = await startApp("cart-1", folder.ports.app);
    await using stack = new AsyncDisposableStack();
    stack.defer(app.kill);
    const start = (command: string, file: string): Program =>
      stack.use(new Program([command, "--config", file], { cwd: folder.dir }));
    const agent = start("agent", "agent.yaml");
    const engines = [start("gateway", "gateway.yaml"), start("sidecar", "cart.yaml")];
    await agent.said("Serves proxies");
    await Promise.all(engines.map((engine) => engine.said("Ready")));
    const frontend = start("sidecar", "frontend.yaml");
    await frontend.said("Ready");

    const answer = await fetch(`http://127.0.0.1:${folder.ports.upstream}/`, {
      headers: { connection: "close" },
    });
    assert.equal(await answer.text(), "cart-1\n");

    const api = ["--agent", `http://127.0.0.1:${folder.ports.http}`];
    const members = await run(["members", ...api], folder.dir);
    assert.match(members.out, /^east +aws +us-east-1 +self/m);
    const services = await run(["services", "--json", ...api], folder.dir);
    const shown = JSON.parse(services.out) as {
      services: { service: string; local: { proven: number } }[];
    };
    assert.deepEqual(
      shown.services.map(({ service, local }) => [service, local.proven]),
      [["shop/cart", 1]],
    );
    const proxies = await run(["proxy", "list", "--json", ...api], folder.dir);
    const listed = JSON.parse(proxies.out) as {
      proxies: { node: string; types: { refused: number }[] }[];
    };
    assert.equal(listed.proxies.length, 4, "two gateway workers and two sidecars");
    assert.ok(listed.proxies.every(({ types }) => types.every(({ refused }) => refused === 0)));
    const config = await run(
      ["proxy", "config", listed.proxies[0]?.node ?? "", "--json", ...api],
      folder.dir,
    );
    assert.match(config.out, /"type": "listener"/);
    assert.deepEqual(await run(["check", ...api], folder.dir), {
      code: 0,
      out: "Nothing found\n",
      err: "",
    });

    // No key and no token anywhere: not in the logs, not in the API.
    const keys = await Promise.all(
      ["trust/member.key", "gateway-svid/svid.key", "cart-svid/svid.key"].map((file) =>
        readFile(join(folder.dir, file), "utf8"),
      ),
    );
    const printed =
      [agent, ...engines, frontend].map(({ out, err }) => out + err).join("") + config.out;
    assert.doesNotMatch(printed, /PRIVATE KEY/);
    for (const key of keys) assert.ok(!printed.includes(key.split("\n")[1] ?? "-"));

    for (const program of [frontend, ...engines, agent]) {
      program.signal("SIGTERM");
      assert.equal(await program.ended(), 0);
    }
  });

  test("a port that is taken is named, and the exit code is 1", async () => {
    const blocker = createServer().listen(folder.ports.xds, "127.0.0.1");
    await once(blocker, "listening");
    const { code, err } = await run(["agent", "--config", "agent.yaml"], folder.dir);
    await new Promise((resolve) => blocker.close(resolve));
    assert.equal(code, 1);
    assert.match(err, new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${folder.ports.xds}`));
    assert.match(err, /MESH_LISTEN_FAILED/);
  });

  test("a configuration that contradicts the charter exits 64 and says all of it", async () => {
    const text = await readFile(join(folder.dir, "agent.yaml"), "utf8");
    await writeFile(
      join(folder.dir, "wrong.yaml"),
      text.replace("cloud: aws, region: us-east-1", "cloud: gcp, region: asia"),
    );
    const { code, err } = await run(["agent", "--config", "wrong.yaml"], folder.dir);
    assert.equal(code, 64);
    assert.match(err, /member\.cloud: "gcp", but the charter says "aws"/);
    assert.match(err, /member\.region: "asia", but the charter says "us-east-1"/);
  });

  test("an identity of somebody else exits 64 before anything listens", async () => {
    const text = await readFile(join(folder.dir, "cart.yaml"), "utf8");
    await writeFile(
      join(folder.dir, "stolen.yaml"),
      text.replace("./cart-svid", "./frontend-svid"),
    );
    const { code, err } = await run(["sidecar", "--config", "stolen.yaml"], folder.dir);
    assert.equal(code, 64);
    assert.match(err, /ns\/shop\/sa\/frontend, but this configuration needs .*ns\/shop\/sa\/cart/);
  });
});
