import { execFile } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../../src/app/demo/free-ports.ts";
import { ServerProcess } from "../support/server-process.ts";
import { type AdminClient, createAdminClient, type Json, until } from "./admin-client.ts";
import { kubernetesDir, programAt } from "./binaries.ts";
import { type Etcd, startEtcd } from "./etcd.ts";
import { kubeconfigOf } from "./kubeconfig.ts";

export interface ClusterOptions {
  /** Its prefix in etcd and the end of its issuer. Default: `c1`. */
  readonly name?: string;
  /** Shared with other clusters; default: one of its own. */
  readonly etcd?: Etcd;
  /** Default: the controller manager runs too (EndpointSlices, namespaces, service accounts, garbage). */
  readonly controllers?: boolean;
  /** Users besides `admin`, by name; each with groups. RBAC gives them nothing until a binding does. */
  readonly users?: Readonly<Record<string, readonly string[]>>;
  /** Writes down who asked for what: `audit.log` in its folder, a line of JSON for each request. */
  readonly isAudited?: true;
  /** As a server that cannot send a list as a watch: older ones, and ones on an old etcd. */
  readonly hasNoWatchList?: true;
}

/** A real API server of its own, and what can be asked of it and done to it. */
export interface KubeCluster extends AsyncDisposable {
  readonly name: string;
  /** A folder of its own; goes with the cluster. */
  readonly dir: string;
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly caFile: string;
  readonly issuer: string;
  readonly etcd: Etcd;
  readonly apiServer: ServerProcess;
  readonly controllers: ServerProcess | undefined;
  /** As admin. */
  readonly api: AdminClient;
  readonly adminToken: string;
  /** Path of the kubeconfig of that user; default: `admin`. */
  kubeconfig(user?: string): string;
  /** Path of a kubeconfig for whoever holds this token. */
  kubeconfigFor(token: string): Promise<string>;
  /** The standard output of kubectl as admin; throws with what it complains about. */
  kubectl(args: readonly string[], options?: { readonly input?: string }): Promise<string>;
  /** A namespace whose service accounts may be used at once. */
  createNamespace(name: string, metadata?: Json): Promise<void>;
  /** A token of that service account, as TokenRequest gives it. */
  tokenOf(account: TokenWish): Promise<string>;
  /** Resident bytes of API server and controllers. */
  rssBytes(): Promise<number>;
}

export interface TokenWish {
  readonly namespace: string;
  readonly name: string;
  readonly audiences?: readonly string[];
  readonly seconds?: number;
  /** Binds the token to this pod. */
  readonly pod?: { readonly name: string; readonly uid: string };
}

const run = promisify(execFile);

/** Ready to be used; throws what the programs said when they do not start. */
export async function startCluster(options: ClusterOptions = {}): Promise<KubeCluster> {
  const { name = "c1", controllers: wantsControllers = true } = options;
  await using undo = new AsyncDisposableStack();
  const etcd = options.etcd ?? undo.use(await startEtcd());
  const dir = await mkdtemp(join(tmpdir(), `isthmus-kube-${name}-`));
  undo.defer(() => rm(dir, { recursive: true, force: true }));
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const url = `https://127.0.0.1:${port}`;
  const issuer = `https://kubernetes.${name}.example`;
  const tokens = await writeUsers(dir, options.users ?? {});
  await writeServiceAccountKeys(dir);
  // The API server writes a self-signed certificate that carries its CA, and takes it again at a restart.
  const caFile = join(dir, "pki/apiserver.crt");
  const ca = (): string => readFileSync(caFile, "utf8");
  const adminToken = tokens.get("admin") ?? "";
  const api = undo.use(createAdminClient({ url, token: adminToken, ca }));

  const apiServer = undo.use(
    new ServerProcess({
      name: "kube-apiserver",
      command: [
        programAt("kube-apiserver"),
        ...apiServerArgs({ dir, port, issuer, etcdUrl: etcd.url, prefix: `/${name}` }),
        ...(options.isAudited ? await auditArgs(dir) : []),
        ...(options.hasNoWatchList ? ["--feature-gates=WatchList=false"] : []),
      ],
      logFile: join(dir, "apiserver.log"),
      isReady: async () => (await api.status("/readyz")) === 200,
    }),
  );
  await apiServer.start();
  const configs = new Map<string, string>();
  const writeConfig = async (user: string, token: string): Promise<string> => {
    const path = join(dir, `${user}.kubeconfig`);
    await writeFile(path, kubeconfigOf({ url, ca: ca(), name, user, token }), { mode: 0o600 });
    return path;
  };
  for (const [user, token] of tokens) configs.set(user, await writeConfig(user, token));
  const adminConfig = configs.get("admin") ?? "";
  const controllers = wantsControllers
    ? undo.use(createControllers({ dir, port: controllerPort, adminConfig }))
    : undefined;
  await controllers?.start();
  const owned = undo.move();

  return {
    name,
    dir,
    url,
    ca: ca(),
    caFile,
    issuer,
    etcd,
    apiServer,
    controllers,
    api,
    adminToken,
    kubeconfig: (user = "admin") => {
      const path = configs.get(user);
      if (path === undefined) throw new RangeError(`There is no user "${user}"`);
      return path;
    },
    kubeconfigFor: (token) => writeConfig(`token-${randomBytes(4).toString("hex")}`, token),
    kubectl: async (args, { input } = {}) => {
      const env = { PATH: process.env["PATH"], HOME: dir, KUBECONFIG: adminConfig };
      const started = run(join(kubernetesDir, "kubectl"), args, { env, maxBuffer: 64 << 20 });
      started.child.stdin?.end(input ?? "");
      return (await started).stdout;
    },
    createNamespace: async (namespace, metadata = {}) => {
      await api.call("POST", "/api/v1/namespaces", { metadata: { ...metadata, name: namespace } });
      if (controllers === undefined) return;
      // Pods are refused until its controller has made the account.
      const account = `/api/v1/namespaces/${namespace}/serviceaccounts/default`;
      await until(`${account} exists`, async () => (await api.status(account)) === 200);
    },
    tokenOf: async ({ namespace, name: account, audiences, seconds, pod }) => {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
      const answer = await api.call<{ status: { token: string } }>("POST", path, {
        spec: {
          ...(audiences === undefined ? {} : { audiences }),
          expirationSeconds: seconds ?? 3600,
          ...(pod === undefined
            ? {}
            : { boundObjectRef: { apiVersion: "v1", kind: "Pod", ...pod } }),
        },
      });
      return answer.status.token;
    },
    rssBytes: async () => (await apiServer.rssBytes()) + ((await controllers?.rssBytes()) ?? 0),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Tokens by user; the API server reads the file at its start only. */
async function writeUsers(
  dir: string,
  users: Readonly<Record<string, readonly string[]>>,
): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map<string, string>();
  const lines = Object.entries({ admin: ["system:masters"], ...users }).map(([user, groups]) => {
    const token = randomBytes(16).toString("hex");
    tokens.set(user, token);
    return `${token},${user},${user},"${groups.join(",")}"`;
  });
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "tokens.csv"), `${lines.join("\n")}\n`, { mode: 0o600 });
  return tokens;
}

async function writeServiceAccountKeys(dir: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "sec1", format: "pem" },
  });
  await writeFile(join(dir, "sa.pub"), publicKey);
  await writeFile(join(dir, "sa.key"), privateKey, { mode: 0o600 });
}

function apiServerArgs(options: {
  readonly dir: string;
  readonly port: number;
  readonly issuer: string;
  readonly etcdUrl: string;
  readonly prefix: string;
}): readonly string[] {
  const { dir } = options;
  return [
    `--etcd-servers=${options.etcdUrl}`,
    `--etcd-prefix=${options.prefix}`,
    "--bind-address=127.0.0.1",
    `--secure-port=${options.port}`,
    `--cert-dir=${dir}/pki`,
    `--token-auth-file=${dir}/tokens.csv`,
    "--authorization-mode=RBAC",
    `--service-account-issuer=${options.issuer}`,
    `--service-account-key-file=${dir}/sa.pub`,
    `--service-account-signing-key-file=${dir}/sa.key`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--endpoint-reconciler-type=none",
    "--profiling=false",
  ];
}

async function auditArgs(dir: string): Promise<readonly string[]> {
  const policy = join(dir, "audit-policy.json");
  const rules = [{ level: "Metadata", omitStages: ["RequestReceived"] }];
  await writeFile(policy, JSON.stringify({ apiVersion: "audit.k8s.io/v1", kind: "Policy", rules }));
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${dir}/audit.log`];
}

function createControllers(options: {
  readonly dir: string;
  readonly port: number;
  readonly adminConfig: string;
}): ServerProcess {
  const { dir, port, adminConfig } = options;
  return new ServerProcess({
    name: "kube-controller-manager",
    command: [
      programAt("kube-controller-manager"),
      `--kubeconfig=${adminConfig}`,
      `--authentication-kubeconfig=${adminConfig}`,
      `--authorization-kubeconfig=${adminConfig}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${dir}/controllers-pki`,
      `--service-account-private-key-file=${dir}/sa.key`,
      `--root-ca-file=${dir}/pki/apiserver.crt`,
      "--leader-elect=false",
      "--use-service-account-credentials=true",
      // No kubelet renews a lease for its node: after 50 s all pods would be held for lost.
      "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",
      // With its default of 20/s, 1,000 pods would take 50 s.
      "--kube-api-qps=500",
      "--kube-api-burst=1000",
    ],
    logFile: join(dir, "controllers.log"),
    isReady: async () => isHealthy(port, `${dir}/controllers-pki/kube-controller-manager.crt`),
  });
}

async function isHealthy(port: number, caFile: string): Promise<boolean> {
  const ca = (): string => readFileSync(caFile, "utf8");
  await using client = createAdminClient({ url: `https://127.0.0.1:${port}`, token: "", ca });
  return (await client.status("/healthz")) === 200;
}
