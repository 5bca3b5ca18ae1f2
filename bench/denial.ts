/** A member that is denied while it talks: the last answer after the command, by processes on one Redis. */
import { type DenialCase, deny } from "../test/system/denial.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ROUNDS"] ?? 5);
const engines = (process.env["ENGINES"] ?? "embedded,envoy").split(",") as DenialCase["engine"][];

const target = { atMost: 5000 };
const figures: Figure[] = [];
for (const engine of engines) {
  // The embedded engine knows no HTTP: all that it carries is bytes.
  for (const portName of engine === "envoy" ? ["http", "tcp"] : ["tcp"]) {
    for (const denied of ["east", "west"] as const) {
      const kept: number[] = [];
      const fresh: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const seen = await deny({ engine, portName, denied });
        kept.push(seen.lastKeptMs);
        fresh.push(seen.lastNewMs);
      }
      const role = denied === "east" ? "calls" : "is called";
      const what = `${engine}, ${portName}, the denied one ${role}`;
      const judged = { unit: "ms", target, judgedBy: "worst" } as const;
      figures.push({
        name: `last answer on an open connection: ${what}`,
        samples: kept,
        ...judged,
      });
      figures.push({ name: `last answer on a new connection: ${what}`, samples: fresh, ...judged });
    }
  }
}

report({
  claim: "a denied member whose proxies go on as if nothing was is answered for 5 s at most",
  setup: { rounds, members: 2, hub: "one Redis", leaseMs: 4000, agentOfTheDenied: "killed" },
  figures,
});
