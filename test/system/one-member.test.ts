import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { freePorts } from "../app/support/free-port.ts";
import { startApp, writeService } from "../app/support/shop.ts";
import { Program, run } from "./program.ts";

// What the README tells a newcomer to type: trust, then agent, gateway and sidecars as processes.
suite("one member as processes", () => {
  let dir = "";
  let ports: readonly number[] = [];
  const port = (index: number): number => ports[index] ?? 0;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-system-"));
    ports = await freePorts(9);
    const steps = [
      "trust init --mesh acme.mesh --dir root",
      "trust issue member east --dir root --out trust --cloud aws --region us-east-1 --export shop --gateway-range 127.0.0.0/8",
      "trust issue gateway --dir trust --out gateway-svid",
      "trust issue workload shop/cart --dir trust --out cart-svid",
      "trust issue workload shop/frontend --dir trust --out frontend-svid",
    ];
    for (const step of steps) {
      const { code, err } = await run(step.split(" "), dir);
      assert.equal(code, 0, `${step}: ${err}`);
    }
    await writeFile(
      join(dir, "agent.yaml"),
      `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
catalog: { memory: true, snapshotDir: ./state }
sources: [{ files: ./services }]
gateway: { addresses: ["127.0.0.1:${port(0)}"] }
xds: { listen: "127.0.0.1:${port(1)}" }
http: { listen: "127.0.0.1:${port(2)}" }
`,
    );
    const common = `agent: 127.0.0.1:${port(1)}\n`;
    await writeFile(
      join(dir, "gateway.yaml"),
      `${common}identity: { dir: ./gateway-svid }\nlisten: "127.0.0.1:${port(0)}"\nworkers: 2\nadmin: "127.0.0.1:${port(3)}"\n`,
    );
    await writeFile(
      join(dir, "cart.yaml"),
      `${common}identity: { dir: ./cart-svid }
workload: cart-1
namespace: shop
serviceAccount: cart
inbound: [{ endpoint: "127.0.0.1:${port(4)}", listen: "127.0.0.1:${port(5)}", app: "127.0.0.1:${port(4)}" }]
admin: "127.0.0.1:${port(6)}"
`,
    );
    await writeFile(
      join(dir, "frontend.yaml"),
      `${common}identity: { dir: ./frontend-svid }
workload: frontend-1
namespace: shop
serviceAccount: frontend
upstreams: [{ service: shop/cart, port: 80, listen: "127.0.0.1:${port(7)}" }]
admin: "127.0.0.1:${port(8)}"
`,
    );
    await writeService(join(dir, "services"), {
      name: "cart",
      isExported: true,
      workloads: [{ name: "cart-1", port: port(4) }],
    });
  });

  after(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  test("the files that trust writes run agent, gateway and sidecars, and a request arrives", async () => {
    const app = await startApp("cart-1", port(4));
    await using stack = new AsyncDisposableStack();
    stack.defer(app.kill);
    const start = (command: string, file: string): Program =>
      stack.use(new Program([command, "--config", file], { cwd: dir }));
    const agent = start("agent", "agent.yaml");
    const engines = [start("gateway", "gateway.yaml"), start("sidecar", "cart.yaml")];
    await agent.said("Serves proxies");
    await Promise.all(engines.map((engine) => engine.said("Ready")));
    const frontend = start("sidecar", "frontend.yaml");
    await frontend.said("Ready");

    const answer = await fetch(`http://127.0.0.1:${port(7)}/`, {
      headers: { connection: "close" },
    });
    assert.equal(await answer.text(), "cart-1\n");

    const api = ["--agent", `http://127.0.0.1:${port(2)}`];
    const members = await run(["members", ...api], dir);
    assert.match(members.out, /^east +aws +us-east-1 +self/m);
    const services = await run(["services", "--json", ...api], dir);
    const shown = JSON.parse(services.out) as {
      services: { service: string; local: { proven: number } }[];
    };
    assert.deepEqual(
      shown.services.map(({ service, local }) => [service, local.proven]),
      [["shop/cart", 1]],
    );
    const proxies = await run(["proxy", "list", "--json", ...api], dir);
    const listed = JSON.parse(proxies.out) as {
      proxies: { node: string; types: { refused: number }[] }[];
    };
    assert.equal(listed.proxies.length, 4, "two gateway workers and two sidecars");
    assert.ok(listed.proxies.every(({ types }) => types.every(({ refused }) => refused === 0)));
    const config = await run(
      ["proxy", "config", listed.proxies[0]?.node ?? "", "--json", ...api],
      dir,
    );
    assert.match(config.out, /"type": "listener"/);
    assert.deepEqual(await run(["check", ...api], dir), {
      code: 0,
      out: "Nothing found\n",
      err: "",
    });

    // No key and no token anywhere: not in the logs, not in the API.
    const keys = await Promise.all(
      ["trust/member.key", "gateway-svid/svid.key", "cart-svid/svid.key"].map((file) =>
        readFile(join(dir, file), "utf8"),
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
    const blocker = createServer().listen(port(1), "127.0.0.1");
    await once(blocker, "listening");
    const { code, err } = await run(["agent", "--config", "agent.yaml"], dir);
    await new Promise((resolve) => blocker.close(resolve));
    assert.equal(code, 1);
    assert.match(err, new RegExp(`Cannot listen on 127\\.0\\.0\\.1:${port(1)}`));
    assert.match(err, /MESH_LISTEN_FAILED/);
  });

  test("a configuration that contradicts the charter exits 64 and says all of it", async () => {
    const text = await readFile(join(dir, "agent.yaml"), "utf8");
    await writeFile(
      join(dir, "wrong.yaml"),
      text.replace("cloud: aws, region: us-east-1", "cloud: gcp, region: asia"),
    );
    const { code, err } = await run(["agent", "--config", "wrong.yaml"], dir);
    assert.equal(code, 64);
    assert.match(err, /member\.cloud: "gcp", but the charter says "aws"/);
    assert.match(err, /member\.region: "asia", but the charter says "us-east-1"/);
  });

  test("an identity of somebody else exits 64 before anything listens", async () => {
    const text = await readFile(join(dir, "cart.yaml"), "utf8");
    await writeFile(join(dir, "stolen.yaml"), text.replace("./cart-svid", "./frontend-svid"));
    const { code, err } = await run(["sidecar", "--config", "stolen.yaml"], dir);
    assert.equal(code, 64);
    assert.match(err, /ns\/shop\/sa\/frontend, but this configuration needs .*ns\/shop\/sa\/cart/);
  });
});
