import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import {
  byVersion,
  type EnvoyVersion,
  formatVersion,
  isSupported,
  parseEnvoyVersion,
  supportedEnvoys,
} from "./envoy-version.ts";

export interface FoundEnvoy {
  readonly path: string;
  readonly version: EnvoyVersion;
}

type Environment = Readonly<Record<string, string | undefined>>;

type Looked =
  | { readonly t: "ok"; readonly envoy: FoundEnvoy }
  | { readonly t: "unfit"; readonly path: string; readonly truth: string };

const remedy = `install Envoy ${supportedEnvoys} (node scripts/envoy.mjs brings one), or name its binary in ISTHMUS_ENVOY`;
// It prints one line and ends; on a machine that is busy with something else that takes a while.
const versionTimeoutMs = 10_000;

/**
 * The first Envoy that is fit: the one that ISTHMUS_ENVOY names and no other, else those on PATH, else those
 * of the cache, newest first. Throws MESH_ENGINE_MISSING when there is none at all, MESH_ENGINE_UNSUPPORTED
 * when there are only unfit ones; both name what was found where.
 */
export async function findEnvoy(environment: Environment): Promise<FoundEnvoy> {
  const unfit: string[] = [];
  const take = (looked: Looked): FoundEnvoy | undefined => {
    if (looked.t === "ok" && isSupported(looked.envoy.version)) return looked.envoy;
    unfit.push(looked.t === "ok" ? aboutVersion(looked.envoy) : `${looked.path} ${looked.truth}`);
    return undefined;
  };
  const named = environment["ISTHMUS_ENVOY"] ?? "";
  if (named !== "") {
    return take(await look(named)) ?? refuse(`ISTHMUS_ENVOY: ${unfit.join()}`, unfit);
  }
  for (const path of await executables(onPath(environment))) {
    const found = take(await look(path));
    if (found !== undefined) return found;
  }
  const cached = await Promise.all((await executables(await inCache(environment))).map(look));
  for (const looked of cached.sort(newestFirst)) {
    const found = take(looked);
    if (found !== undefined) return found;
  }
  const where = `neither PATH nor ${cacheDir(environment)} has one`;
  return refuse(unfit.length === 0 ? where : unfit.join("; "), unfit);
}

function refuse(truth: string, unfit: readonly string[]): never {
  const code = unfit.length === 0 ? "MESH_ENGINE_MISSING" : "MESH_ENGINE_UNSUPPORTED";
  throw new MeshError(code, `Cannot run Envoy: ${truth}; ${remedy}`);
}

function aboutVersion({ path, version }: FoundEnvoy): string {
  return `${path} is ${formatVersion(version)}, not ${supportedEnvoys}`;
}

async function look(name: string): Promise<Looked> {
  // It is looked at here and run in another folder, where a relative path would lead elsewhere.
  const path = resolve(name);
  try {
    const { stdout } = await promisify(execFile)(path, ["--version"], {
      timeout: versionTimeoutMs,
      killSignal: "SIGKILL",
    });
    const version = parseEnvoyVersion(stdout);
    return version === undefined
      ? { t: "unfit", path, truth: "is no Envoy" }
      : { t: "ok", envoy: { path, version } };
  } catch (thrown) {
    const [reason = ""] = reasonOf(thrown).split("\n");
    return { t: "unfit", path, truth: `does not run (${reason})` };
  }
}

function newestFirst(left: Looked, right: Looked): number {
  if (left.t === "unfit" || right.t === "unfit") return left.t === "unfit" ? 1 : -1;
  return byVersion(left.envoy.version, right.envoy.version);
}

function onPath(environment: Environment): readonly string[] {
  const folders = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, "envoy"));
}

function cacheDir(environment: Environment): string {
  return environment["ISTHMUS_CACHE"] || join(homedir(), ".cache/isthmus");
}

/** Where `scripts/envoy.mjs` puts them. */
async function inCache(environment: Environment): Promise<readonly string[]> {
  const cache = cacheDir(environment);
  const names = await readdir(cache).catch((): readonly string[] => []);
  return names
    .filter((name) => name.startsWith("envoy-"))
    .map((name) => join(cache, name, "envoy/_bin/envoy"));
}

async function executables(paths: readonly string[]): Promise<readonly string[]> {
  const isThere = await Promise.all(
    paths.map((path) => access(path, constants.X_OK).then(...yesOrNo)),
  );
  return paths.filter((_path, index) => isThere[index] === true);
}

const yesOrNo: readonly [() => boolean, () => boolean] = [() => true, () => false];
