/** A watch of EndpointSlices in a process of its own that does nothing else: what the API server itself takes. */
import { readFileSync } from "node:fs";
import { get } from "node:https";

export interface WatchOrder {
  readonly url: string;
  readonly token: string;
  readonly caFile: string;
}

export type ToWatch =
  | { readonly t: "start"; readonly order: WatchOrder }
  /** From now on the next event of that slice is waited for. */
  | { readonly t: "watch"; readonly slice: string }
  | { readonly t: "stop" };

export type FromWatch =
  | { readonly t: "started" }
  | { readonly t: "watching" }
  /** The event arrived; when, by the monotonic clock of this machine. */
  | { readonly t: "event"; readonly atNs: string };

const path = "/apis/discovery.k8s.io/v1/endpointslices?watch=1&timeoutSeconds=3600";
const lineFeed = 10;
let awaited: string | undefined;
let rest = Buffer.alloc(0);

function tell(message: FromWatch): void {
  process.send?.(message);
}

process.on("message", (message: ToWatch) => {
  switch (message.t) {
    case "start":
      return start(message.order);
    case "watch":
      awaited = `"name":"${message.slice}"`;
      return tell({ t: "watching" });
    case "stop":
      process.exit(0);
  }
});

function start({ url, token, caFile }: WatchOrder): void {
  const headers = { authorization: `Bearer ${token}` };
  const request = get(url + path, { headers, ca: readFileSync(caFile) }, (answer) => {
    if (answer.statusCode !== 200) return fail(`it is answered ${answer.statusCode}`);
    tell({ t: "started" });
    answer.on("data", take);
    answer.on("end", () => fail("it ended"));
  });
  request.on("error", ({ message }) => fail(message));
}

function take(chunk: Buffer): void {
  const atNs = String(process.hrtime.bigint());
  const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
  const end = text.lastIndexOf(lineFeed) + 1;
  rest = Buffer.from(text.subarray(end));
  if (awaited === undefined || !text.subarray(0, end).includes(awaited)) return;
  awaited = undefined;
  tell({ t: "event", atNs });
}

function fail(reason: string): void {
  process.stderr.write(`The plain watch failed: ${reason}\n`);
  process.exit(1);
}
