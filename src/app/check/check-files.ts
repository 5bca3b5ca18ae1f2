import { stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type ListedFile,
  listManifestFiles,
  readManifestFile,
} from "../../discovery/io/sources/manifest-files.ts";
import { createInventory, type Inventory } from "../../discovery/sources/inventory/inventory.ts";
import { readManifest } from "../../discovery/sources/manifests/manifest.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Finding } from "../../mesh/service.ts";
import { loadMember } from "../../trust/io/member-files.ts";
import { differencesFrom, gatewayFindings } from "../agent/trust/trust-findings.ts";
import type { AgentConfig, EngineKind, GatewayConfig, SidecarConfig } from "../config/config.ts";
import type { Parsed } from "../config/config-parser.ts";
import { loadAgentConfig, loadGatewayConfig, loadSidecarConfig } from "../config/load-config.ts";
import { exposedSecrets } from "../hub/exposed-secrets.ts";
import { findEnvoy } from "../launcher/envoy/find-envoy.ts";
import { loadLauncherIdentity } from "../launcher/launcher-identity.ts";
import {
  checkTrustFile,
  checkTrustFolder,
  isCharter,
  isKeyFile,
  type TrustKind,
  trustKindOf,
} from "./check-trust.ts";

/**
 * What is wrong in these files and folders, without any agent: manifests, the configuration files of
 * agents, gateways and sidecars, and what `isthmus trust` makes. Throws MESH_FILE_UNREADABLE for a path that is not there.
 */
export async function checkFiles(paths: readonly string[]): Promise<readonly Finding[]> {
  const inventory = createInventory();
  const findings: Finding[] = [];
  for (const path of paths) {
    for (const { file, findings: own } of await listed(path, Date.now())) {
      findings.push(...own);
      if (file !== undefined) findings.push(...(await checkFile(file, inventory)));
    }
  }
  inventory.takeChange();
  return [...findings, ...inventory.findings()];
}

interface Listed {
  readonly file: ListedFile | undefined;
  readonly findings: readonly Finding[];
}

async function listed(path: string, nowMs: number): Promise<readonly Listed[]> {
  try {
    if (!(await stat(path)).isDirectory()) {
      return [{ file: { file: path, signature: "" }, findings: [] }];
    }
  } catch (cause) {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot check "${path}": ${reasonOf(cause)}`, {
      cause,
    });
  }
  const listing = await listManifestFiles(path);
  if (listing.t === "unreadable") {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot check "${path}": ${listing.reason}`);
  }
  const trust = await foldersOfTrust(listing.folders);
  const inside = ({ file }: ListedFile): boolean =>
    [...trust.keys()].some((dir) => isIn(dir, file));
  const findings = await Promise.all(
    [...trust].map(([dir, kind]) => checkTrustFolder(dir, kind, nowMs)),
  );
  return [
    { file: undefined, findings: [...listing.findings, ...findings.flat()] },
    ...listing.files.filter((file) => !inside(file)).map((file) => ({ file, findings: [] })),
  ];
}

/** Without those below others of their kind: what an identity's folder keeps for Envoy is a part of it. */
async function foldersOfTrust(folders: readonly string[]): Promise<ReadonlyMap<string, TrustKind>> {
  const found = new Map<string, TrustKind>();
  for (const dir of folders) {
    if ([...found.keys()].some((other) => isIn(other, dir))) continue;
    const kind = await trustKindOf(dir);
    if (kind !== undefined) found.set(dir, kind);
  }
  return found;
}

function isIn(dir: string, path: string): boolean {
  return path.startsWith(join(dir, "/"));
}

async function checkFile(file: ListedFile, inventory: Inventory): Promise<readonly Finding[]> {
  if (isKeyFile(file.file)) return checkTrustFile(file.file, Date.now());
  const reading = await readManifestFile(file);
  if (reading.t === "refused") return [reading.finding];
  if (reading.t === "gone") return [];
  const { text, modifiedMs } = reading;
  if (isCharter(text)) return checkTrustFile(file.file, Date.now());
  const kind = configKindOf(text);
  if (kind === undefined) {
    inventory.put(readManifest({ file: file.file, text, modifiedMs }));
    return [];
  }
  if (kind === "gateway") return checkLauncher(file.file, loadGatewayConfig(file.file));
  if (kind === "sidecar") return checkLauncher(file.file, loadSidecarConfig(file.file));
  const parsed = loadAgentConfig(file.file);
  if (parsed.t === "invalid") return problemsOf(parsed);
  const { catalog } = parsed.config;
  return [
    ...(await checkTrust(file.file, parsed.config)),
    ...(await exposedSecrets(catalog.hubs ?? [])),
  ];
}

/** Manifests say `apiVersion`; our own files begin with keys of their own. */
function configKindOf(text: string): "agent" | "gateway" | "sidecar" | undefined {
  if (/^apiVersion\s*:/m.test(text)) return undefined;
  if (/^mesh\s*:/m.test(text)) return "agent";
  if (!/^agent\s*:/m.test(text)) return undefined;
  return /^(?:workload|upstreams|inbound)\s*:/m.test(text) ? "sidecar" : "gateway";
}

function problemsOf<T>(parsed: Parsed<T>): readonly Finding[] {
  if (parsed.t === "ok") return [];
  return parsed.problems.map(({ file, line, path, message }) => ({
    code: "CONFIG_INVALID",
    severity: "error",
    subject: line === 0 ? file : `${file}:${line}`,
    message: path === "" ? message : `${path}: ${message}`,
  }));
}

async function checkLauncher(
  file: string,
  parsed: Parsed<GatewayConfig | SidecarConfig>,
): Promise<readonly Finding[]> {
  if (parsed.t === "invalid") return problemsOf(parsed);
  // What it gets for its token is there when it runs.
  if (parsed.config.identity.token !== undefined) return checkEngine(file, parsed.config.engine);
  const identity = await loadLauncherIdentity(parsed.config, Date.now()).then(
    () => [],
    (thrown: unknown) => [mismatch(file, `identity.dir: ${reasonOf(thrown)}`)],
  );
  return [...identity, ...(await checkEngine(file, parsed.config.engine))];
}

/** On this machine, for whoever checks here what is to run here. */
async function checkEngine(file: string, engine: EngineKind): Promise<readonly Finding[]> {
  if (engine === "embedded") return [];
  return findEnvoy(process.env).then(
    () => [],
    (thrown: unknown): readonly Finding[] => [
      {
        code: "CONFIG_ENGINE_UNFIT",
        severity: "error",
        subject: file,
        message: `engine: ${reasonOf(thrown)}`,
      },
    ],
  );
}

async function checkTrust(file: string, config: AgentConfig): Promise<readonly Finding[]> {
  return loadMember(config.trust.dir).then(
    (files) => [
      ...differencesFrom(config, files).map((message) => mismatch(file, message)),
      ...gatewayFindings(files.charter.charter, config).map((one) => ({ ...one, subject: file })),
    ],
    (thrown: unknown) => [mismatch(file, `trust.dir: ${reasonOf(thrown)}`)],
  );
}

function mismatch(file: string, message: string): Finding {
  return { code: "CONFIG_TRUST_MISMATCH", severity: "error", subject: file, message };
}
