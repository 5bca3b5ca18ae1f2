import { setTimeout as wait } from "node:timers/promises";
import type { ServiceAnswer } from "../../../src/app/api-model.ts";
import { measureFault, type Outcome, type Struck } from "../support/fault.ts";
import { startTraffic } from "../support/traffic.ts";
import type { TrafficMember, TrafficMesh } from "../support/traffic-mesh.ts";

const faultMs = 5000;
/** An agent that knows nothing serves what it has after 30 s: the sidecars must not notice. */
const pastPatienceMs = 33_000;

export interface TrafficFault {
  readonly name: string;
  readonly title: string;
  readonly strike: (mesh: TrafficMesh) => Promise<void>;
}

/** One after the other on one mesh of processes, whose requests must not notice any of them. */
export const trafficFaults: readonly TrafficFault[] = [
  {
    name: "traffic-flushall",
    title: "FLUSHALL under traffic",
    strike: async ({ redis }) => {
      await wait(1000);
      await redis.command("FLUSHALL");
      await wait(1000);
    },
  },
  {
    name: "traffic-hang",
    title: "the hub hangs under traffic",
    strike: async ({ redis }) => {
      redis.hang();
      await wait(faultMs);
      redis.resume();
    },
  },
  {
    name: "traffic-restart",
    title: "the hub restarts without its data under traffic",
    strike: async ({ redis }) => {
      await redis.kill();
      await wait(faultMs);
      await redis.restart();
    },
  },
  {
    name: "traffic-agents-killed",
    title: "both agents are killed and start again",
    strike: async ({ east, west }) => {
      await Promise.all([east.killAgent(), west.killAgent()]);
      await wait(1000);
      await Promise.all([east.startAgent(), west.startAgent()]);
    },
  },
  {
    name: "traffic-restart-without-hub",
    title: "the caller's agent restarts with its copies, no hub there",
    strike: async ({ redis, east }) => {
      await redis.kill();
      await east.killAgent();
      await east.startAgent();
      await wait(faultMs);
      await redis.restart();
    },
  },
  {
    name: "traffic-forgetful",
    title: "the same without its copies, and for longer than it waits",
    strike: async ({ redis, east }) => {
      await redis.kill();
      await east.killAgent();
      await east.forget();
      await east.startAgent();
      await wait(pastPatienceMs);
      await redis.restart();
    },
  },
];

export async function runTrafficFault(mesh: TrafficMesh, fault: TrafficFault): Promise<Outcome> {
  const traffic = startTraffic([mesh.urls.cart, mesh.urls.books]);
  try {
    const outcome = await measureFault(struckOf(mesh), () => fault.strike(mesh));
    await traffic.stop();
    const { sent, failed } = traffic.counts();
    return { ...outcome, requests: { sent, failed, reasons: traffic.reasons() } };
  } finally {
    await traffic.stop();
  }
}

/** Which change the markers show: it only grows, however many faults there are. */
let port = 1;

function struckOf({ east, west }: TrafficMesh): Struck {
  const members = [east, west];
  let timer: NodeJS.Timeout | undefined;
  let changes = 0;
  const changeAll = async (): Promise<void> => {
    port += 1;
    changes += members.length;
    await Promise.all(members.map((member) => member.mark(port)));
  };
  const differences = async (): Promise<readonly string[]> => {
    const asked = members.map((reader) => {
      const writer = reader === east ? west : east;
      return differencesAt(reader, { writer, port });
    });
    return (await Promise.all(asked)).flat();
  };
  return {
    setLoad: (perSecond) => {
      clearInterval(timer);
      // Files are read and parsed: fewer changes than a catalog alone takes.
      if (perSecond > 0) timer = setInterval(() => void changeAll(), 500);
    },
    changeAll,
    readerDifferences: differences,
    differences,
    tally: async () => ({ changes, wronglyRemoved: [], wentBack: [] }),
  };
}

async function differencesAt(
  reader: TrafficMember,
  wanted: { readonly writer: TrafficMember; readonly port: number },
): Promise<readonly string[]> {
  const where = `${reader.name}'s agent`;
  const name = `shop/marker-${wanted.writer.name}`;
  try {
    const answer = await fetch(`${reader.apiUrl}/api/v1/services`);
    const { services } = (await answer.json()) as { readonly services: readonly ServiceAnswer[] };
    const marker = services.find(({ service }) => service === name);
    const isThere = marker?.remotes.some(({ member }) => member === wanted.writer.name) === true;
    const isNew = marker?.ports.some(({ port }) => port === wanted.port) === true;
    return isThere && isNew ? [] : [`${where} has not ${name} as it is`];
  } catch (thrown) {
    return [`${where} does not answer: ${String(thrown)}`];
  }
}
