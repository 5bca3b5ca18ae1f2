import { Agent, request } from "node:http";
import { reasonOf } from "../../mesh/errors.ts";
import type { MemberName } from "../../mesh/ids.ts";
import { parseMemberName } from "../../mesh/ids.ts";
import type { LoadPart } from "./part-messages.ts";
import { pause } from "./pause.ts";
import type { Sample } from "./samples.ts";

/** Steady traffic of one caller: a few lanes, each sending one request after another. */
export interface LoadOptions extends LoadPart {
  readonly onSample: (sample: Sample) => void;
  readonly signal: AbortSignal;
}

// A caller that keeps one connection for ever never sees a failover end: clients bound the life of
// theirs. The first lane opens a new one each time, so that new connections are always measured too.
const requestsPerConnection = 25;
const timeoutMs = 15_000;

export async function runLoad(options: LoadOptions): Promise<void> {
  const lanes = Array.from({ length: options.lanes }, (_, index) =>
    runLane({ ...options, perConnection: index === 0 ? 1 : requestsPerConnection, index }),
  );
  await Promise.all(lanes);
}

interface LaneOptions extends LoadOptions {
  readonly perConnection: number;
  readonly index: number;
}

async function runLane(lane: LaneOptions): Promise<void> {
  await pause((lane.index * lane.intervalMs) / lane.lanes, lane.signal);
  while (!lane.signal.aborted) await useConnection(lane);
}

async function useConnection(lane: LaneOptions): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let lastServedBy: MemberName | undefined;
  const openedMs = epochMs();
  for (let sent = 0; sent < lane.perConnection && !lane.signal.aborted; sent += 1) {
    const startMs = epochMs();
    const isLast = sent === lane.perConnection - 1;
    const outcome = await send(lane, { agent, isLast });
    const connection = { openedMs, ...(lastServedBy === undefined ? {} : { lastServedBy }) };
    // A request that the end of the demo interrupts says nothing about the mesh.
    if (lane.signal.aborted) break;
    lane.onSample({
      caller: lane.caller,
      service: lane.service,
      startMs,
      endMs: epochMs(),
      ...outcome.result,
      connection,
    });
    lastServedBy = outcome.result.servedBy;
    await pause(lane.intervalMs, lane.signal);
    if (outcome.isClosing) break;
  }
  agent.destroy();
}

interface Outcome {
  readonly result: { readonly servedBy?: MemberName; readonly failure?: string };
  readonly isClosing: boolean;
}

function send(lane: LaneOptions, via: { agent: Agent; isLast: boolean }): Promise<Outcome> {
  return new Promise((resolve) => {
    const fail = (failure: string): void => resolve({ result: { failure }, isClosing: true });
    const { host, port } = lane.target;
    const headers = { host: lane.host, ...(via.isLast ? { connection: "close" } : {}) };
    const call = request({ host, port, path: lane.path, agent: via.agent, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => resolve(outcomeOf(answer, text)));
      answer.on("error", (error) => fail(error.message));
    });
    call.setTimeout(timeoutMs, () => call.destroy(new Error(`no answer in ${timeoutMs} ms`)));
    call.on("error", (error) => fail(error.message));
    call.end();
  });
}

function outcomeOf(
  answer: {
    readonly statusCode?: number | undefined;
    readonly headers: { connection?: string | undefined };
  },
  text: string,
): Outcome {
  const isClosing = answer.headers.connection === "close";
  if (answer.statusCode !== 200)
    return { result: { failure: `status ${answer.statusCode}` }, isClosing };
  try {
    const { member } = JSON.parse(text) as { member: string };
    return { result: { servedBy: parseMemberName(member) }, isClosing };
  } catch (error) {
    return { result: { failure: `not an answer of the shop: ${reasonOf(error)}` }, isClosing };
  }
}

function epochMs(): number {
  return performance.timeOrigin + performance.now();
}
