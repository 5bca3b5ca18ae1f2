// A member is put out while it talks: what its proxies still get answered, and that it ends.
import { suite, test } from "node:test";
import { whyNot } from "../app/launcher/envoy/envoys.ts";
import { type DenialCase, deny } from "./denial.ts";

const cases: readonly DenialCase[] = [
  { engine: "embedded", portName: "tcp", denied: "east" },
  { engine: "embedded", portName: "tcp", denied: "west" },
  { engine: "envoy", portName: "http", denied: "east" },
  { engine: "envoy", portName: "tcp", denied: "east" },
  { engine: "envoy", portName: "http", denied: "west" },
  { engine: "envoy", portName: "tcp", denied: "west" },
];

suite("a denied member that goes on as if nothing was", () => {
  for (const each of cases) {
    const { engine, portName, denied } = each;
    const role = denied === "east" ? "is answered" : "answers";
    const skip = engine === "envoy" ? whyNot(process.env["ISTHMUS_ENVOY"]) : false;
    test(`${role} no more, on open connections and new ones: ${portName} by ${engine}`, {
      skip,
    }, async (t) => {
      const { lastKeptMs, lastNewMs, commandMs } = await deny(each);
      const [kept, fresh, command] = [lastKeptMs, lastNewMs, commandMs].map(Math.round);
      t.diagnostic(`last answer ${kept} ms (kept), ${fresh} ms (new); command ${command} ms`);
    });
  }
});
