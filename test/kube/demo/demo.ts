/**
 * `npm run demo:kubernetes`: two clusters become one mesh, and a region's workloads die under load. Exit 0 when no
 * request failed.
 */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { run } from "../../system/program.ts";
import { startEtcd } from "../etcd.ts";
import { type Answer, Caller, type Sample } from "./caller.ts";
import { startHub } from "./hub.ts";
import { addressOfImport, importsOf, indented, seenBy } from "./imports.ts";
import { Member } from "./member.ts";
import { addressesOf, type Engine, east, type MemberPlan, meshDomain, shop, west } from "./plan.ts";
import { deploymentYaml, exportYaml, serviceYaml } from "./shop.ts";
import { Steps } from "./steps.ts";

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "envoy" },
    json: { type: "string" },
  },
});
if (values.engine === "envoy" || values.engine === "embedded") await main(values.engine);
else {
  process.stderr.write(`Cannot run engine "${values.engine}": say envoy or embedded\n`);
  process.exitCode = 2;
}

async function main(engine: Engine): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "isthmus-kubernetes-"));
  undo.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  giveAddresses([east, west]);
  const steps = new Steps();

  const hub = await steps.do("a Redis as hub", async () => undo.use(await startHub()));
  const members = await steps.do("two Kubernetes API servers with controllers", async () => {
    const etcd = undo.use(await startEtcd());
    const start = async (plan: MemberPlan): Promise<Member> =>
      undo.use(await Member.start({ plan, etcd, engine, dir }));
    return { east: await start(east), west: await start(west) };
  });
  await steps.do("isthmus trust init, isthmus trust issue member (twice)", () => issueTrust(dir));
  for (const member of [members.east, members.west]) {
    const { name, overlay } = member.plan;
    await steps.do(
      `isthmus install --cloud ${overlay} | kubectl apply; agent, gateway`,
      async () => {
        const trustDir = join(dir, `${name}.trust`);
        const objects = await member.install({ trustDir, hubUrl: hub.url });
        return `${name}: ${objects} objects`;
      },
    );
  }
  await steps.do("the shop: cart in both clusters, frontend in one", async () => {
    for (const member of [members.east, members.west]) {
      await member.cluster.createNamespace(shop);
      await member.apply(deploymentYaml("cart", { replicas: 2 }) + serviceYaml("cart"));
    }
    await members.east.apply(deploymentYaml("frontend", { replicas: 1 }));
    await members.east.runPods("cart");
    await members.west.runPods("cart");
    await members.east.runPods("frontend", { calls: `${shop}/cart` });
  });
  await steps.do("kubectl apply: a ServiceExport in each cluster", async () => {
    for (const member of [members.east, members.west]) await member.apply(exportYaml("cart"));
  });
  const both = [east.name, west.name];
  for (const member of [members.east, members.west]) {
    await steps.do(`kubectl get serviceimports, in ${member.plan.name}`, async () => {
      const table = await importsOf(member, both);
      return indented(`${table}${await addressOfImport(member, "cart")}`);
    });
  }
  await steps.do(`isthmus status, isthmus services, in ${east.name}`, async () =>
    indented(await seenBy(members.east)),
  );

  const near = ({ name }: Answer): boolean => name.startsWith(`${east.name}/`);
  const far = ({ name }: Answer): boolean => name.startsWith(`${west.name}/`);
  const caller = undo.use(new Caller(members.east.upstreamOf("frontend")));
  const until = async (what: string, isWanted: (answer: Answer) => boolean, sinceMs: number) => {
    const afterMs = Math.round(await caller.until(what, { sinceMs, isWanted }));
    return { afterMs, text: `${what} after ${afterMs} ms: ${lastAnswer(caller.samples)}` };
  };
  await steps.do("frontend calls cart", () =>
    until("its own cluster answers", near, performance.now()),
  );
  const killedMs = performance.now();
  const killTitle = `kill -9: all carts of ${east.name}, with their sidecars`;
  const moved = await steps.do(killTitle, async () => {
    await members.east.killPods("cart");
    return until("the other cluster answers", far, killedMs);
  });
  await steps.do("the kubelet reports them unready, as it would a moment later", async () => {
    await members.east.setReady("cart", false);
    await wait(1000);
  });
  const back = await steps.do("they start again, and the kubelet reports them ready", async () => {
    await members.east.runPods("cart");
    const readyMs = performance.now();
    await members.east.setReady("cart", true);
    return until("its own cluster answers", near, readyMs);
  });
  await caller[Symbol.asyncDispose]();

  const { samples } = caller;
  const failures = samples.filter(({ failure }) => failure !== undefined);
  const since = samples.filter(({ atMs }) => atMs >= killedMs).map(({ tookMs }) => tookMs);
  const result = {
    engine,
    requests: samples.length,
    failed: failures.length,
    movedMs: moved.afterMs,
    backMs: back.afterMs,
    worstMs: Math.round(Math.max(...since)),
    steps: steps.done,
  };
  process.stdout.write(
    `\n${result.requests} requests, ${result.failed} failed; the worst since the kill took ${result.worstMs} ms\n`,
  );
  for (const { failure } of failures.slice(0, 5)) process.stdout.write(`  ${failure}\n`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(result)}\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

/** This process is in a network namespace of its own: what it adds goes with it. */
function giveAddresses(plans: readonly MemberPlan[]): void {
  const ip = (words: string): void => {
    execFileSync("ip", words.split(" "), { stdio: ["ignore", "ignore", "pipe"] });
  };
  ip("link set lo up");
  for (const plan of plans) {
    for (const address of addressesOf(plan).all) ip(`addr add ${address}/32 dev lo`);
  }
  // An API server takes its own address from there.
  ip("route add default dev lo");
}

async function issueTrust(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const isthmus = async (words: string): Promise<void> => {
    const { code, err } = await run(words.split(" "), dir);
    if (code !== 0) throw new Error(`isthmus ${words}: ${err}`);
  };
  await isthmus(`trust init --mesh ${meshDomain} --dir root`);
  for (const { name, cloud, region } of [east, west]) {
    await isthmus(
      `trust issue member ${name} --dir root --out ${name}.trust --cloud ${cloud} --region ${region} --export ${shop}`,
    );
  }
}

function lastAnswer(samples: readonly Sample[]): string {
  const last = samples.findLast(({ answer }) => answer !== undefined)?.answer;
  const caller = last?.caller === "" ? "" : ` to ${last?.caller}`;
  return `${last?.name}${caller}`;
}
