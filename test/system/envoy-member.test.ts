// The README's processes with `engine: envoy`: agent, gateway and sidecars, each Envoy beside its launcher.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { whyNot } from "../app/launcher/envoy/envoys.ts";
import { type App, startApp } from "../app/support/shop.ts";
import { type MemberFolder, makeMemberFolder } from "./member-folder.ts";
import { Program, run } from "./program.ts";

suite("one member by Envoy", { skip: whyNot(process.env["ISTHMUS_ENVOY"]) }, () => {
  let folder: MemberFolder;
  let app: App;
  const stack = new AsyncDisposableStack();
  const start = (command: string, file: string): Program =>
    stack.use(new Program([command, "--config", file], { cwd: folder.dir }));
  const programs = new Map<string, Program>();

  before(async () => {
    folder = await makeMemberFolder("envoy");
    app = await startApp("cart-1", folder.ports.app);
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
    await folder.remove();
  });

  const ask = async (): Promise<string> =>
    (
      await fetch(`http://127.0.0.1:${folder.ports.upstream}/`, {
        headers: { connection: "close" },
      })
    ).text();

  async function envoyOf(admin: number): Promise<number> {
    const page = (await (await fetch(`http://127.0.0.1:${admin}/config`)).json()) as {
      readonly envoy: { readonly pid: number };
    };
    return page.envoy.pid;
  }

  const api = (): readonly string[] => ["--agent", `http://127.0.0.1:${folder.ports.http}`];

  test("a request passes two Envoys, and the agent knows all three", async () => {
    assert.equal(await ask(), "cart-1\n");
    const { out } = await run(["proxy", "list", "--json", ...api()], folder.dir);
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
    const checked = await run(["check", ...api()], folder.dir);
    assert.equal(checked.code, 0, checked.out);
  });

  test("an Envoy ends with a launcher that is killed, and the next launcher brings another at once", async () => {
    const pid = await envoyOf(folder.ports.frontendAdmin);
    programs.get("frontend")?.signal("SIGKILL");
    await programs.get("frontend")?.ended();
    const next = start("sidecar", "frontend.yaml");
    programs.set("frontend", next);
    await next.said("Ready");
    assert.equal(await ask(), "cart-1\n");
    assert.notEqual(await envoyOf(folder.ports.frontendAdmin), pid);
    assert.ok(hasEnded(pid), "the old Envoy is gone");
  });

  test("no key is printed, and all end well when they are told to", async () => {
    const { gatewayAdmin, cartAdmin, frontendAdmin } = folder.ports;
    const pids = await Promise.all([gatewayAdmin, cartAdmin, frontendAdmin].map(envoyOf));
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
