import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineKind } from "../config/config.ts";
import { defaultCheckEveryMs } from "../launcher/svid-check.ts";
import { programDir } from "../program-dir.ts";
import type { DemoMember } from "./demo-members.ts";
import { freePortNear, freePorts } from "./free-ports.ts";
import { planSite, type SitePlan } from "./site-plan.ts";

/** A folder that holds all of the demo, and goes with it. */
export interface DemoPlan extends AsyncDisposable {
  readonly dir: string;
  readonly sites: readonly SitePlan[];
}

// Workloads take about three each, members five: enough for the largest demo.
const portsPerMember = 60;
const usualHttpPort = 15_080;

export async function planDemo(options: {
  readonly members: readonly DemoMember[];
  readonly httpPort?: number;
  readonly engine: EngineKind;
  /** Whether the root is rotated: then nobody wants to wait for minutes. */
  readonly isRotation: boolean;
}): Promise<DemoPlan> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-demo-"));
  const { engine } = options;
  const checkEveryMs = options.isRotation ? 1000 : defaultCheckEveryMs;
  const ports = [...(await freePorts(portsPerMember * options.members.length))];
  const takePort = (): number => ports.pop() ?? 0;
  const firstHttp = options.httpPort ?? (await freePortNear(usualHttpPort));
  const sites = await Promise.all(
    options.members.map(async (member, index) => {
      const files = await exampleFiles(member.example);
      const http = index === 0 ? { httpPort: firstHttp } : {};
      const around = { dir: join(dir, member.name), files, takePort, engine, checkEveryMs };
      return planSite(member, { ...around, ...http });
    }),
  );
  await Promise.all(sites.map((site) => writeSite(site, dir)));
  const dispose = (): Promise<void> => rm(dir, { recursive: true, force: true });
  return { dir, sites, [Symbol.asyncDispose]: dispose };
}

async function exampleFiles(example: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(programDir(), "examples", "shop", example);
  const names = await readdir(folder);
  const texts = names.map(
    async (name) => [name, await readFile(join(folder, name), "utf8")] as const,
  );
  return new Map(await Promise.all(texts));
}

async function writeSite(site: SitePlan, dir: string): Promise<void> {
  const folder = servicesDir(dir, site.member);
  await mkdir(folder, { recursive: true });
  const writes = [...site.files].map(([name, text]) => writeFile(join(folder, name), text));
  await Promise.all(writes);
}

/** The member's `files` source. */
export function servicesDir(dir: string, member: DemoMember): string {
  return join(dir, member.name, "services");
}
