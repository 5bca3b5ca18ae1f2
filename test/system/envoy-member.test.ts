// The README's processes with `engine: envoy`: agent, gateway and sidecars, each Envoy beside its launcher.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { whyNot } from "../app/launcher/envoy/envoys.ts";
import { freePorts } from "../app/support/free-port.ts";
import { type App, startApp, writeService } from "../app/support/shop.ts";
import { Program, run } from "./program.ts";

suite("one member by Envoy", { skip: whyNot(process.env["ISTHMUS_ENVOY"]) }, () => {
  let dir = "";
  let app: App;
  let ports: readonly number[] = [];
  const port = (index: number): number => ports[index] ?? 0;
  const stack = new AsyncDisposableStack();
  const start = (command: string, file: string): Program =>
    stack.use(new Program([command, "--config", file], { cwd: dir }));
  const programs = new Map<string, Program>();

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-envoys-"));
    ports = await freePorts(9);
    for (const step of [
      "init --mesh acme.mesh --dir root",
      "issue member east --dir root --out trust --cloud aws --region us-east-1 --export shop --gateway-range 127.0.0.0/8",
      "issue gateway --dir trust --out gateway-svid",
      "issue workload shop/cart --dir trust --out cart-svid",
      "issue workload shop/frontend --dir trust --out frontend-svid",
    ]) {
      const { code, err } = await run(["trust", ...step.split(" ")], dir);
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
    const common = (name: string, admin: number): string =>
      `agent: 127.0.0.1:${port(1)}\nengine: envoy\nidentity: { dir: ./${name}-svid }\nadmin: "127.0.0.1:${admin}"\n`;
    await writeFile(
      join(dir, "gateway.yaml"),
      `${common("gateway", port(3))}listen: "127.0.0.1:${port(0)}"\nworkers: 2\n`,
    );
    const sidecar = (name: string): string =>
      `workload: ${name}-1\nnamespace: shop\nserviceAccount: ${name}\n`;
    await writeFile(
      join(dir, "cart.yaml"),
      `${common("cart", port(6))}${sidecar("cart")}inbound: [{ endpoint: "127.0.0.1:${port(4)}", listen: "127.0.0.1:${port(5)}", app: "127.0.0.1:${port(4)}" }]\n`,
    );
    await writeFile(
      join(dir, "frontend.yaml"),
      `${common("frontend", port(8))}${sidecar("frontend")}upstreams: [{ service: shop/cart, port: 80, listen: "127.0.0.1:${port(7)}" }]\n`,
    );
    const workloads = [{ name: "cart-1", port: port(4) }];
    await writeService(join(dir, "services"), { name: "cart", isExported: true, workloads });
    app = await startApp("cart-1", port(4));
    const agent = start("agent", "agent.yaml");
    await agent.said("Serves proxies");
    programs
      .set("gateway", start("gateway", "gateway.yaml"))
      .set("cart", start("sidecar", "cart.yaml"));
    await Promise.all([...programs.values()].map((program) => program.said("Ready")));
    programs.set("frontend", start("sidecar", "frontend.yaml"));
    await programs.get("frontend")?.said("Ready");
    programs.set("agent", agent);
  });
  after(async () => {
    await stack.disposeAsync();
    await app.kill();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  const ask = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port(7)}/`, { headers: { connection: "close" } })).text();

  async function envoyOf(admin: number): Promise<number> {
    const page = (await (await fetch(`http://127.0.0.1:${admin}/config`)).json()) as {
      readonly envoy: { readonly pid: number };
    };
    return page.envoy.pid;
  }

  const api = (): readonly string[] => ["--agent", `http://127.0.0.1:${port(2)}`];

  test("a request passes two Envoys, and the agent knows all three", async () => {
    assert.equal(await ask(), "cart-1\n");
    const { out } = await run(["proxy", "list", "--json", ...api()], dir);
    const { proxies } = JSON.parse(out) as {
      readonly proxies: readonly {
        readonly role: string;
        readonly engine: string;
        readonly types: readonly { readonly refused: number }[];
      }[];
    };
    assert.deepEqual(proxies.map(({ role, engine }) => `${role} ${engine}`).sort(), [
      "gateway envoy",
      "sidecar envoy",
      "sidecar envoy",
    ]);
    assert.ok(proxies.every(({ types }) => types.every(({ refused }) => refused === 0)));
    const checked = await run(["check", ...api()], dir);
    assert.equal(checked.code, 0, checked.out);
  });

  test("an Envoy ends with a launcher that is killed, and the next launcher brings another at once", async () => {
    const pid = await envoyOf(port(8));
    programs.get("frontend")?.signal("SIGKILL");
    await programs.get("frontend")?.ended();
    const next = start("sidecar", "frontend.yaml");
    programs.set("frontend", next);
    await next.said("Ready");
    assert.equal(await ask(), "cart-1\n");
    assert.notEqual(await envoyOf(port(8)), pid);
    assert.ok(hasEnded(pid), "the old Envoy is gone");
  });

  test("no key is printed, and all end well when they are told to", async () => {
    const pids = await Promise.all([3, 6, 8].map((index) => envoyOf(port(index))));
    for (const name of ["frontend", "gateway", "cart", "agent"]) {
      const program = programs.get(name);
      program?.signal("SIGTERM");
      assert.equal(await program?.ended(), 0, name);
      assert.doesNotMatch(`${program?.out}${program?.err}`, /PRIVATE KEY/);
    }
    assert.deepEqual(pids.map(hasEnded), [true, true, true]);
  });
});

/** A zombie has ended: whoever adopted it has not looked yet. */
function hasEnded(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return true;
  }
}
