// A process of its own that shows each token it is sent with five keys at once: `node join-token-racer.ts DIR`.
import { randomBytes } from "node:crypto";
import { MeshError } from "../../../src/mesh/errors.ts";
import { Secret } from "../../../src/mesh/secret.ts";
import { JoinTokens } from "../../../src/trust/io/join-tokens.ts";

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const [, , snapshotDir = ""] = process.argv;

async function show(text: string): Promise<string> {
  // One of these for each: those of one line do not race.
  const agent = new JoinTokens({ snapshotDir, clock, hasOthers: false });
  try {
    const wish = { t: "vm", group: undefined } as const;
    const good = await agent.check(new Secret(text), { address: "10.0.0.7", wish });
    await good.take(randomBytes(32).toString("hex"));
    return "taken";
  } catch (thrown) {
    return thrown instanceof MeshError
      ? thrown.code.replace("MESH_JOIN_TOKEN_", "")
      : String(thrown);
  }
}

process.on("message", (text: string) => {
  void Promise.all([1, 2, 3, 4, 5].map(() => show(text))).then((outcomes) =>
    process.send?.(outcomes),
  );
});
process.send?.("ready");
