// AdmissionReviews at 200/s, posted over kept connections as an API server does: how long each takes.
import { Agent as HttpsAgent, request } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { newServing } from "../src/app/kubernetes/webhook/serving-keeper.ts";
import { listenForReviews } from "../src/app/kubernetes/webhook/webhook-server.ts";
import { cartPod, settingsFor } from "../test/app/install/inject/made-pod.ts";
import { madeMesh } from "../test/trust/made.ts";

const perSecond = 200;
const seconds = Number(process.argv[2] ?? 15);
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const { bundle } = await madeMesh();
const settings = settingsFor(bundle.pem);
await using hook = await listenForReviews({
  listen: { host: "127.0.0.1", port: 0 },
  serving: await newServing(["localhost"], Date.now()),
  settings: () => settings,
  clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  log: silent,
  onAnswer: () => undefined,
});
const agent = new HttpsAgent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 32 });
const review = (uid: number): string =>
  JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: `${uid}`,
      kind: { group: "", version: "v1", kind: "Pod" },
      operation: "CREATE",
      namespace: "shop",
      object: cartPod(),
    },
  });

function post(uid: number): Promise<number> {
  const startMs = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port: hook.address.port, path: "/inject", method: "POST", agent },
      (reply) => {
        reply.resume();
        reply.on("end", () => resolve(performance.now() - startMs));
      },
    );
    asked.on("error", reject).end(review(uid));
  });
}

await Promise.all(Array.from({ length: 400 }, (_, uid) => post(uid)));
const cpu = process.cpuUsage();
const startMs = performance.now();
const pending: Promise<number>[] = [];
for (let uid = 0; uid < perSecond * seconds; uid += 1) {
  const waitMs = startMs + (uid * 1000) / perSecond - performance.now();
  if (waitMs > 1) await delay(waitMs);
  pending.push(post(uid));
}
const took = (await Promise.all(pending)).sort((a, b) => a - b);
const used = process.cpuUsage(cpu);
const at = (part: number): string => (took[Math.floor(took.length * part)] ?? 0).toFixed(1);
process.stdout.write(
  `reviews ${took.length} at ${perSecond}/s  p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  max ${at(0.9999)} ms  ` +
    `CPU ${((used.user + used.system) / 1000 / took.length).toFixed(2)} ms each (server and client together)\n`,
);
agent.destroy();
