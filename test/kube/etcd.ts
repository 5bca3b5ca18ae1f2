import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../src/app/demo/free-ports.ts";
import { ServerProcess } from "../support/server-process.ts";
import { programAt } from "./binaries.ts";

/** One etcd in memory's speed; several clusters share it, each under a prefix of its own. */
export interface Etcd extends AsyncDisposable {
  readonly url: string;
  readonly process: ServerProcess;
  /**
   * Forgets all revisions but the newest. An API server answers 410 to a watch from an older one only after its restart,
   * as its own cache hides what etcd forgot.
   */
  compact(): Promise<void>;
}

export async function startEtcd(): Promise<Etcd> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-etcd-"));
  const [clients = 0, peers = 0] = await freePorts(2);
  const url = `http://127.0.0.1:${clients}`;
  const peerUrl = `http://127.0.0.1:${peers}`;
  const etcd = new ServerProcess({
    name: "etcd",
    command: [
      programAt("etcd"),
      `--data-dir=${dir}/data`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
      "--unsafe-no-fsync",
      "--log-level=error",
    ],
    logFile: join(dir, "log"),
    isReady: async () => (await (await fetch(`${url}/health`)).text()).includes("true"),
  });
  const stop = async (): Promise<void> => {
    await etcd.kill();
    await rm(dir, { recursive: true, force: true });
  };
  await etcd.start().catch(async (cause: unknown) => {
    await stop();
    throw cause;
  });
  return {
    url,
    process: etcd,
    compact: async () => {
      const { header } = await post<{ header: { revision: string } }>(
        `${url}/v3/maintenance/status`,
        {},
      );
      const body = { revision: header.revision, physical: true };
      await post(`${url}/v3/kv/compaction`, body);
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function post<T>(url: string, body: unknown): Promise<T> {
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as T;
}
