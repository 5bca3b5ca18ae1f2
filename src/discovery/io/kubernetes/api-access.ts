import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { Clock } from "../../../mesh/ports.ts";
import type { KubeApi } from "../../kubernetes/kube-api.ts";
import { type KubeContext, readKubeconfig } from "../../kubernetes/kubeconfig.ts";
import { type ApiHealth, createHealthRecorder } from "./api-health.ts";
import { createAskPlugin } from "./ask-plugin.ts";
import { createCredentials } from "./credentials.ts";
import { createKubeApi } from "./kube-calls.ts";
import { createTransport } from "./transport.ts";
import type { OpenStream } from "./watch-attempt.ts";

/** Which API server, and as whom. */
export type ApiAccess =
  /** As the pod that we run in. */
  | {
      readonly t: "in-cluster";
      /** `HOST:PORT`; default: what the kubelet says in the environment. */
      readonly address?: string;
      /** Holds `token` and `ca.crt`. Default: where the kubelet puts them. */
      readonly folder?: string;
    }
  | {
      readonly t: "kubeconfig";
      readonly path: string;
      /** Default: its current context. */
      readonly context?: string;
    };

/** One cluster's API server over one pool of connections. */
export interface KubeConnection extends AsyncDisposable {
  /** Of the kubeconfig, or `in-cluster`. */
  readonly context: string;
  /** Its URL. */
  readonly server: string;
  readonly api: KubeApi;
  /** The same with another deadline of each call than the usual one. */
  readonly apiWithin: (deadlineMs: number) => KubeApi;
  /** For watches. */
  readonly open: OpenStream;
  readonly health: () => ApiHealth;
}

const podFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
const deadlineMs = 5000;

/** Connects to nobody yet. Throws MESH_CONFIG_INVALID and MESH_FILE_UNREADABLE. */
export async function openKubeConnection(
  access: ApiAccess,
  options: { readonly clock: Clock },
): Promise<KubeConnection> {
  const { context, path } = await contextOf(access);
  const askPlugin = createAskPlugin({ path, context: context.name });
  const credentials = createCredentials(context, { ...options, path, askPlugin });
  const { server, serverName } = context;
  const recorder = createHealthRecorder(options.clock);
  const transport = createTransport({
    server,
    recorder,
    ...(serverName === undefined ? {} : { serverName }),
    credentials,
  });
  return {
    context: context.name,
    server,
    api: createKubeApi(transport, deadlineMs),
    apiWithin: (ms) => createKubeApi(transport, ms),
    open: transport.stream,
    health: recorder.health,
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

async function contextOf(
  access: ApiAccess,
): Promise<{ readonly context: KubeContext; readonly path: string }> {
  if (access.t === "in-cluster") return { context: podContext(access), path: "." };
  const { path, context } = access;
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    const message = `Cannot read kubeconfig "${path}": ${reasonOf(cause)}`;
    throw new MeshError("MESH_FILE_UNREADABLE", message, { cause });
  });
  const from = context === undefined ? { path } : { path, context };
  return { context: readKubeconfig(text, from), path };
}

function podContext(access: Extract<ApiAccess, { t: "in-cluster" }>): KubeContext {
  const address = access.address ?? addressInPod();
  const folder = access.folder ?? podFolder;
  return {
    name: "in-cluster",
    server: `https://${address}`,
    ca: { file: join(folder, "ca.crt") },
    user: { t: "token-file", file: join(folder, "token") },
  };
}

function addressInPod(): string {
  const host = process.env["KUBERNETES_SERVICE_HOST"];
  const port = process.env["KUBERNETES_SERVICE_PORT"];
  if (host === undefined || port === undefined) {
    throw new MeshError(
      "MESH_CONFIG_INVALID",
      "Cannot find the API server: this is no pod (KUBERNETES_SERVICE_HOST is not set); name a kubeconfig",
    );
  }
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
