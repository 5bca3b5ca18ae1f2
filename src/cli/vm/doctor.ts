import type { Diagnosis } from "../../app/vm/doctor/diagnosis.ts";
import { diagnoseVm } from "../../app/vm/doctor/doctor.ts";
import { becomeOwner } from "../../app/vm/folder-owner.ts";
import { defaultVmDir } from "../../app/vm/join/vm-words.ts";
import { parseHostPort } from "../../mesh/address.ts";
import { visible } from "../../mesh/visible.ts";
import { type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { counted } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";
import { table } from "../print/table.ts";

export const vmDoctor: Command = {
  name: "vm doctor",
  usage: "[--dir D] [--agent HOST:PORT,…] [--json]",
  about:
    "Looks at all that this machine needs to be a workload of the mesh, and says what to do where something is\n" +
    "wrong: rights of its files, its certificate, and for each agent the name, the way, the root, the clock, the size\n" +
    "of packets and its group; then its sidecar, the gateways and workloads that this was told of, and names.\n" +
    "Changes nothing. Before it joins, --agent alone can be looked at. docs/errors.md explains each code.\n" +
    "Exit code 1 when there are errors; warnings alone are 0.",
  options: {
    dir: { type: "string", hint: "D", about: "as of isthmus vm join (default: /var/lib/isthmus)" },
    agent: {
      type: "string",
      hint: "HOST:PORT,…",
      about: "agents to look at (default: those that it joined by)",
    },
    ...jsonOption,
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const agents = (args.text("agent") ?? "").split(",").filter((one) => one !== "");
    const dir = args.text("dir") ?? defaultVmDir;
    await becomeOwner(dir);
    const diagnoses = await diagnoseVm({
      dir,
      agents: agents.map((one) => parseHostPort(one.trim())),
      nowMs: Date.now(),
    });
    if (args.has("json")) printJson({ diagnoses }, terminal);
    else terminal.out(page(diagnoses, terminal));
    const hasErrors = diagnoses.some(({ state }) => state === "error");
    return hasErrors ? exitCodes.failed : exitCodes.done;
  },
};

const tones = { ok: "good", warning: "warn", error: "bad" } as const;

function page(diagnoses: readonly Diagnosis[], terminal: Terminal): string {
  const rows = diagnoses.map(({ state, code, subject, found, todo }) => [
    { text: state, tone: tones[state] },
    { text: code, tone: "quiet" as const },
    visible(subject),
    visible(todo === undefined ? found : `${found}; ${todo}`, 1000),
  ]);
  const columns = [
    { title: "STATE" },
    { title: "CODE" },
    { title: "WHAT", isElastic: true as const },
    { title: "FOUND", isElastic: true as const },
  ];
  const count = (state: Diagnosis["state"]): number =>
    diagnoses.filter((one) => one.state === state).length;
  return `${table(columns, rows, terminal)}\n${counted(count("error"), "error")}, ${counted(count("warning"), "warning")}\n`;
}
