import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineConfig } from "../../src/app/config/config.ts";
import { freePorts } from "../app/support/free-port.ts";
import { writeService } from "../app/support/shop.ts";
import { run } from "./program.ts";

const roles = [
  "gateway",
  "xds",
  "http",
  "gatewayAdmin",
  "app",
  "cart",
  "cartAdmin",
  "upstream",
  "frontendAdmin",
] as const;

/** A folder with all that README's one member needs: identities, configurations and services. */
export interface MemberFolder {
  readonly dir: string;
  /** On 127.0.0.1. */
  readonly ports: Readonly<Record<(typeof roles)[number], number>>;
  readonly remove: () => Promise<void>;
}

/** By the commands that the README tells a newcomer to type. */
export async function makeMemberFolder(engine: EngineConfig["engine"]): Promise<MemberFolder> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-system-"));
  const found = await freePorts(roles.length);
  const ports = Object.fromEntries(
    roles.map((role, index) => [role, found[index] ?? 0]),
  ) as MemberFolder["ports"];
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
  const at = (role: keyof MemberFolder["ports"]): string => `"127.0.0.1:${ports[role]}"`;
  // What is not said is the default.
  const engineLine = engine === "embedded" ? "" : `engine: ${engine}\n`;
  const launcher = (name: string, admin: string): string =>
    `agent: ${at("xds")}\n${engineLine}identity: { dir: ./${name}-svid }\nadmin: ${admin}\n`;
  const workload = (name: string): string =>
    `workload: ${name}-1\nnamespace: shop\nserviceAccount: ${name}\n`;
  const files = {
    "agent.yaml": `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
catalog: { memory: true, snapshotDir: ./state }
sources: [{ files: ./services }]
gateway: { addresses: [${at("gateway")}] }
xds: { listen: ${at("xds")} }
http: { listen: ${at("http")} }
`,
    "gateway.yaml": `${launcher("gateway", at("gatewayAdmin"))}listen: ${at("gateway")}\nworkers: 2\n`,
    "cart.yaml": `${launcher("cart", at("cartAdmin"))}${workload("cart")}inbound: [{ endpoint: ${at("app")}, listen: ${at("cart")}, app: ${at("app")} }]\n`,
    "frontend.yaml": `${launcher("frontend", at("frontendAdmin"))}${workload("frontend")}upstreams: [{ service: shop/cart, port: 80, listen: ${at("upstream")} }]\n`,
  };
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  const workloads = [{ name: "cart-1", port: ports.app }];
  await writeService(join(dir, "services"), { name: "cart", isExported: true, workloads });
  const remove = (): Promise<void> => rm(dir, { recursive: true, force: true, maxRetries: 5 });
  return { dir, ports, remove };
}
