import { describeTrust } from "../../app/trust-tasks.ts";
import type { Charter } from "../../mesh/charter.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { printJson } from "../print/print-json.ts";
import { painted } from "../print/table.ts";

type Description = Awaited<ReturnType<typeof describeTrust>>[number]["content"][number];

export const trustShow: Command = {
  name: "trust show",
  usage: "FILE… [--json]",
  about:
    "Says what certificates, keys and charters hold; a folder stands for all of its own. Nothing secret is\n" +
    "printed. Exit code 1 when a file cannot be read.",
  options: jsonOption,
  positionals: { min: 1, max: 1000 },
  run: async (args, terminal) => {
    const files = await describeTrust(args.positionals);
    const isBroken = files.some(({ content }) => content.some((one) => one.t === "unreadable"));
    if (args.has("json")) printJson({ files }, terminal);
    else {
      for (const { file, content } of files) {
        terminal.out(`${painted({ text: file, tone: "quiet" }, terminal)}\n`);
        for (const one of content) terminal.out(linesFor(one, Date.now()));
      }
    }
    return isBroken ? exitCodes.failed : exitCodes.done;
  },
};

function linesFor(one: Description, nowMs: number): string {
  switch (one.t) {
    case "certificate": {
      const from = new Date(one.notBeforeMs).toISOString().slice(0, 16);
      const until = new Date(one.notAfterMs).toISOString().slice(0, 16);
      const state =
        nowMs > one.notAfterMs ? " EXPIRED" : nowMs < one.notBeforeMs ? " not yet valid" : "";
      return (
        `  ${one.role} ${one.name}\n` +
        `    valid ${from}Z to ${until}Z${state}\n` +
        `    sha256 ${one.sha256}\n    key    ${one.spkiSha256}\n`
      );
    }
    case "key":
      return `  private key (not shown)\n    key    ${one.spkiSha256}\n`;
    case "charter":
      return charterLines(one.charter);
    case "unreadable":
      return `  cannot be read: ${one.reason}\n`;
  }
}

function charterLines(charter: Charter): string {
  const members = charter.members.map(
    (member) =>
      `    ${member.name}  ${member.cloud}/${member.region}  network ${member.network}  ${member.state}` +
      `  exports ${member.mayExport.join(", ") || "nothing"}\n`,
  );
  const head = `  charter of ${charter.mesh}, number ${charter.number}, ${charter.members.length} members\n`;
  return `${head}${members.join("")}`;
}
