import type { Command } from "../command.ts";
import { standingCommand } from "./standing.ts";

export const memberAllow: Command = standingCommand({
  verb: "allow",
  about:
    "Takes a denial back, for a member that was denied by mistake: the certificates that it has count again, and\n" +
    "all that it may claim is as before. Never for one that was taken over: whoever has its key is back, too. Only\n" +
    "the root can say so, as with isthmus member deny. Where its agent has ended meanwhile and does not start, put\n" +
    "the charter.json of another member's trust.dir into its own.",
  done: (name) => `Allowed ${name} again`,
});
