import type { Exhibit, Judge, Verdict } from "./exhibits.ts";
import { dial, serve, shownBy } from "./tls-peer.ts";

/** Node's TLS, which is OpenSSL as Node calls it, as server and as client. */
export const askNode: Judge = async ({ list, rootPem }) => {
  const [good] = list;
  if (good === undefined) return [];
  const verdicts: (Verdict | "mixed")[] = [];
  for (const exhibit of list) {
    const server = await asServer(exhibit, rootPem);
    verdicts.push(server === (await asClient(exhibit, good, rootPem)) ? server : "mixed");
  }
  return verdicts;
};

async function asServer(exhibit: Exhibit, ca: string): Promise<Verdict> {
  await using server = await serve(shownBy(exhibit));
  return await dial(server.port, { ca });
}

async function asClient(exhibit: Exhibit, good: Exhibit, ca: string): Promise<Verdict> {
  await using server = await serve(shownBy(good), { ca });
  return await dial(server.port, { shown: shownBy(exhibit), ca });
}
