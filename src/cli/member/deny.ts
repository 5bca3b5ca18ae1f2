import type { Command } from "../command.ts";
import { standingCommand } from "./standing.ts";

export const memberDeny: Command = standingCommand({
  verb: "deny",
  about:
    "Puts a member out: its records, its certificates and its connections are refused everywhere within seconds,\n" +
    "and what is connected is cut. Only the root can say so: --config names the agent.yaml of an agent with\n" +
    "trust.signer, --dir the root's folder; the new charter is signed here and handed to any agent on this\n" +
    "machine. Envoys end the other TCP connections of their sidecars, too: they cannot tell whose each is.",
  done: (name) => `Denied ${name}`,
});
