import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ProxyAnswer } from "../../../../src/app/api-model.ts";
import type { Region } from "../../../support/regions/regions.ts";
import { ToldProcess } from "../../../support/told-process.ts";
import type { MeshFault } from "../fault.ts";
import type { FromFlood, ToFlood } from "../flood.ts";
import type { FromHolder, ToHolder } from "../holder.ts";
import type { FaultMesh } from "../mesh.ts";
import { hosts, ports, serviceNamed } from "../plan.ts";
import type { FromRefuser, ToRefuser } from "../refuser.ts";

type Holder = ToldProcess<ToHolder, FromHolder>;
type Refuser = ToldProcess<ToRefuser, FromRefuser>;
type Flood = ToldProcess<ToFlood, FromFlood>;

const base = { http: "books", tcp: "vault", struck: [], allowed: ["us/"], rttMs: 120 } as const;
const floodFile = fileURLToPath(new URL("../flood.ts", import.meta.url));
const refuserFile = fileURLToPath(new URL("../refuser.ts", import.meta.url));
const holderFile = fileURLToPath(new URL("../holder.ts", import.meta.url));
const uploadBytes = 2 ** 30;
// Half of them from each of two regions: a proxy has two files open for each, and may have 20,000.
const idleConnections = 10_000;
const loris = 500;
const hellosPerSecond = 100;
const sayWithinMs = 20_000;

/** What much or bad traffic does to gateways, and what a proxy that refuses does to others. */
export const loadFaults: readonly MeshFault[] = [drainUnderLoad(), helloFlood(), refusal()];

function drainUnderLoad(): MeshFault {
  const holders = new Map<Region, Holder>();
  let uploaded: Promise<Extract<FromHolder, { t: "uploaded" }>> | undefined;
  return {
    ...base,
    name: "gateway-drains-full",
    title: "one of two gateways drains under an upload of 1 GiB and 10,000 idle connections",
    row: "gateway ends in good order",
    isRare: true,
    prepare: async (mesh) => {
      for (const region of ["eu", "ap"] as const) {
        const holder: Holder = new ToldProcess(mesh.fork(region, holderFile));
        holders.set(region, holder);
        const held = holder.hear("held");
        // In ap there are applications of its own: only eu's connections cross gateways.
        const { localPort } = serviceNamed("vault");
        holder.tell({ t: "hold", port: localPort, connections: idleConnections / 2 });
        await held;
      }
      const { localPort } = serviceNamed("books");
      const holder = holders.get("eu");
      uploaded = holder?.hear("uploaded");
      // Whoever waits for it learns of it; nobody does once something else is wrong.
      uploaded?.catch(() => undefined);
      holder?.tell({ t: "upload", port: localPort, host: "books", bytes: uploadBytes });
      await wait(1000);
    },
    strike: async (mesh) => {
      const before = await openOf(holders);
      if (before < idleConnections) throw new Error(`Only ${before} connections were held`);
      mesh.part("us/gateway-1").terminate();
      const status = (await uploaded)?.status;
      if (status !== "HTTP/1.1 200 OK") throw new Error(`The upload ended with: ${status}`);
      const after = await openOf(holders);
      if (after < before) throw new Error(`${before - after} idle connections were cut meanwhile`);
    },
    mend: async (mesh) => {
      for (const holder of holders.values()) await holder.kill();
      holders.clear();
      await mesh.part("us/gateway-1").kill();
      await mesh.part("us/gateway-1").start();
    },
  };
}

async function openOf(holders: ReadonlyMap<Region, Holder>): Promise<number> {
  let open = 0;
  for (const holder of holders.values()) {
    const counted = holder.hear("counted");
    holder.tell({ t: "count" });
    open += (await counted).open;
  }
  return open;
}

function helloFlood(): MeshFault {
  let flood: Flood | undefined;
  return {
    ...base,
    name: "hello-flood",
    title: "500 slow hellos and 100 useless ones a second at each gateway of the next region",
    row: "control plane dead",
    strike: async (mesh) => {
      flood = new ToldProcess(mesh.fork("ap", floodFile));
      const begun = flood.hear("begun");
      const gateways = hosts.gateways.map(
        (host) => `${mesh.regions.address("us", host)}:${ports.gateway}`,
      );
      const knownName = "outbound_.80_._.books.shop.svc.cluster.local";
      flood.tell({ t: "begin", gateways, loris, perSecond: hellosPerSecond, knownName });
      await begun;
    },
    mend: async () => {
      await flood?.kill();
      flood = undefined;
    },
  };
}

/** Its agent must tell the others all the same, and say whom it could not tell. */
function refusal(): MeshFault {
  let refuser: Refuser | undefined;
  return {
    ...base,
    name: "proxy-refuses",
    title: "one sidecar of the next region refuses whatever its agent tells it",
    row: "control plane dead",
    strike: async (mesh) => {
      refuser = new ToldProcess(mesh.fork("us", refuserFile));
      const refused = refuser.hear("refused");
      refuser.tell({
        t: "begin",
        agent: { host: mesh.regions.address("us", hosts.agent), port: ports.xds },
        agentId: "spiffe://us.acme.mesh/isthmus/agent",
        identityDir: mesh.file("us", "refuser-id"),
      });
      await refused;
      const deadlineMs = Date.now() + sayWithinMs;
      while (!(await isRefused(mesh))) {
        if (Date.now() > deadlineMs) throw new Error("The agent does not say that it was refused");
        await wait(100);
      }
      // What changes now concerns those who do not refuse.
      await mesh.drain("us", ["shop-2"]);
    },
    mend: async (mesh) => {
      await mesh.drain("us", []);
      await refuser?.kill();
      refuser = undefined;
    },
  };
}

async function isRefused(mesh: FaultMesh): Promise<boolean> {
  const answer = (await mesh.ask("us", "proxies")) as
    | { readonly proxies: readonly ProxyAnswer[] }
    | undefined;
  const proxies = answer?.proxies ?? [];
  return proxies.some(({ types }) => types.some(({ lastNack }) => lastNack !== undefined));
}
