import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { Secret } from "../../../mesh/secret.ts";
import type { AskPlugin } from "./credentials.ts";

// A login that asks its user something would wait for ever.
const answerMs = 30_000;

/**
 * Asks what a kubeconfig's user says is to be run or refreshed (`exec`, `auth-provider`), as client-node does it. Loaded
 * when it is asked for the first time: it holds 80 MB, and in a cluster nobody needs it.
 */
export function createAskPlugin(at: {
  readonly path: string;
  readonly context: string;
}): AskPlugin {
  type Config = InstanceType<typeof import("@kubernetes/client-node").KubeConfig>;
  let loaded: Promise<Config> | undefined;

  const load = async (): Promise<Config> => {
    const { KubeConfig } = await import("@kubernetes/client-node");
    const config = new KubeConfig();
    config.loadFromFile(at.path);
    config.setCurrentContext(at.context);
    return config;
  };
  const ask: AskPlugin = async ({ anew }) => {
    // It remembers a token until it expires, or for ever.
    if (anew || loaded === undefined) loaded = load();
    const config = await loaded;
    const options: Record<string, unknown> & { headers: Record<string, string> } = { headers: {} };
    await config.applyToHTTPSOptions(options);
    const token = options.headers["Authorization"]?.replace(/^Bearer /, "");
    const { cert, key } = options;
    return {
      ...(token === undefined ? {} : { token: new Secret(token) }),
      ...(isPem(cert) && isPem(key)
        ? { cert: cert.toString(), key: new Secret(key.toString()) }
        : {}),
    };
  };
  return async (wish) => {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${answerMs} ms`)), answerMs);
    });
    try {
      return await Promise.race([ask(wish), limit]);
    } catch (cause) {
      const message = `Cannot get credentials for context "${at.context}" of "${at.path}": ${reasonOf(cause).trim()}`;
      throw new MeshError("MESH_KUBE_UNAUTHORIZED", message, { cause });
    } finally {
      clearTimeout(timer);
    }
  };
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === "string" || Buffer.isBuffer(value);
}
