import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { Clock } from "../../../mesh/ports.ts";
import { Secret } from "../../../mesh/secret.ts";
import type { KubeContext, KubeUser, PemFrom } from "../../kubernetes/kubeconfig.ts";

/** Who we are to an API server, and how it is known; read anew while the process runs, as all of it rotates. */
export interface Credentials {
  /** Of the header; undefined: a certificate says it, or nobody. Throws MESH_KUBE_UNAUTHORIZED, MESH_FILE_UNREADABLE. */
  readonly authorization: () => Promise<Secret | undefined>;
  /** For the next connection. Throws as `authorization` does. */
  readonly tls: () => Promise<TlsParts>;
  /** The API server did not take it: what is remembered is of no use. */
  readonly forget: () => void;
}

export interface TlsParts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: Secret;
}

/** What a plugin answers. */
export interface PluginAnswer {
  readonly token?: Secret;
  readonly cert?: string;
  readonly key?: Secret;
}

/** Asks the `exec` or `auth-provider` of a kubeconfig; `anew`: what it answered last was refused. */
export type AskPlugin = (wish: { readonly anew: boolean }) => Promise<PluginAnswer>;

// The kubelet replaces a projected token at four fifths of its life, which is ten minutes at least.
const rememberMs = 10_000;

export function createCredentials(
  context: KubeContext,
  options: {
    /** The kubeconfig: relative paths in it begin at its folder. */
    readonly path: string;
    readonly clock: Clock;
    readonly askPlugin: AskPlugin;
  },
): Credentials {
  const { clock } = options;
  const at = (file: string): string => resolve(dirname(options.path), file);
  const read = (file: string): Promise<string> => readWhole(at(file));
  const pem = (from: PemFrom): Promise<string> | string =>
    "pem" in from ? from.pem : read(from.file);
  let answer: Promise<PluginAnswer> | undefined;
  let answeredAtMs = 0;
  let isRefused = false;

  const ask = (user: KubeUser): Promise<PluginAnswer> => {
    if (answer !== undefined && clock.monotonicMs() - answeredAtMs < rememberMs) return answer;
    answeredAtMs = clock.monotonicMs();
    const asked = answerOf(user);
    answer = asked;
    // What failed may go well the next time.
    asked.catch(() => {
      if (answer === asked) answer = undefined;
    });
    return asked;
  };
  const answerOf = async (user: KubeUser): Promise<PluginAnswer> => {
    switch (user.t) {
      case "nobody":
        return {};
      case "token":
        return { token: user.token };
      case "token-file":
        return { token: tokenIn(await read(user.file), at(user.file)) };
      case "certificate": {
        const { cert, key } = user;
        const ownKey = key instanceof Secret ? key : new Secret(await pem(key));
        return { cert: await pem(cert), key: ownKey };
      }
      case "plugin": {
        const anew = isRefused;
        isRefused = false;
        return options.askPlugin({ anew });
      }
    }
  };

  return {
    authorization: async () => {
      const { token } = await ask(context.user);
      return token && new Secret(`Bearer ${token.reveal()}`);
    },
    tls: async () => {
      const { cert, key } = await ask(context.user);
      const ca = context.ca && (await pem(context.ca));
      return {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined || key === undefined ? {} : { cert, key }),
      };
    },
    forget: () => {
      answer = undefined;
      isRefused = true;
    },
  };
}

function tokenIn(text: string, file: string): Secret {
  const token = text.trim();
  // It becomes a header: anything else would break out of it.
  if (/^[\x21-\x7e]+$/.test(token)) return new Secret(token);
  throw new MeshError("MESH_KUBE_UNAUTHORIZED", `Cannot use token file "${file}": it has no token`);
}

async function readWhole(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot read "${file}": ${reasonOf(cause)}`, {
      cause,
    });
  }
}
