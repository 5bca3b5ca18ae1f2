import { setTimeout as wait } from "node:timers/promises";
import type { CharterAnswer, RotationAnswer, RotationMemberAnswer } from "../../app/api-model.ts";
import { retireRootOf } from "../../app/root-rotation/retire-root.ts";
import { handsIn, type RotationHands, takeStep } from "../../app/root-rotation/rotate-root.ts";
import { MeshError } from "../../mesh/errors.ts";
import { parseMemberName } from "../../mesh/ids.ts";
import { formatCharterFile, parseCharterFile } from "../../trust/charter-file.ts";
import { agentOption, askAgent, changeAtAgent, documentOfAgent } from "../agent-api.ts";
import { type Arguments, type Command, exitCodes, jsonOption, type Terminal } from "../command.ts";
import { printJson } from "../print/print-json.ts";
import { rotationText } from "../print/rotation-text.ts";

const steps = ["start", "status", "activate", "drain", "retire", "abort"] as const;
type Step = (typeof steps)[number];

const defaultLimitSeconds = 600;

export const trustRotate: Command = {
  name: "trust rotate",
  usage: `${steps.join("|")} [--dir ROOT] [--agent URL] [OPTIONS]`,
  about:
    "Replaces the root of the mesh by a new one without one failed request. The steps, in this order:\n" +
    "  start      make the new root's key and have both roots trusted everywhere\n" +
    "  activate   members get issuers under the new root; waits for nobody\n" +
    "  drain      identities under the old root are replaced before their time\n" +
    "  retire     wait until every proxy of every member has confirmed that, then trust the old root no more\n" +
    "status says where it stands and who is missing; abort undoes it, until retire. A step that was broken off\n" +
    "is given again. The agent on this machine brings each step to all members; the root's folder stays here.",
  options: {
    dir: { type: "string", hint: "ROOT", about: "the root's folder; all but status need it" },
    ...agentOption,
    waive: {
      type: "string",
      hint: "NAME",
      about: "retire: do not wait for this member; it has to get its next issuer when it is back",
      multiple: true,
    },
    emergency: {
      type: "boolean",
      about: "retire: wait for nobody, and say who is cut off; for a root whose key was stolen",
    },
    timeout: {
      type: "string",
      hint: "SECONDS",
      about: `retire: how long to wait for acknowledgements (default: ${defaultLimitSeconds})`,
    },
    ...jsonOption,
  },
  positionals: { min: 1, max: 1 },
  run: async (args, terminal) => {
    const step = stepIn(args);
    if (step !== "status") await take(step, { args, terminal });
    const answer = await statusOf({ args, terminal });
    if (args.has("json")) printJson(answer, terminal);
    else terminal.out(rotationText(answer, terminal));
    return exitCodes.done;
  },
};

interface Asked {
  readonly args: Arguments;
  readonly terminal: Terminal;
}

function stepIn(args: Arguments): Step {
  const [word] = args.positionals;
  const step = steps.find((one) => one === word);
  if (step !== undefined) return step;
  throw new MeshError("MESH_USAGE", `Cannot take step "${word ?? ""}": it is ${steps.join(", ")}`);
}

async function statusOf(asked: Asked): Promise<RotationAnswer> {
  return await askAgent<RotationAnswer>("/api/v1/rotation", asked);
}

async function take(step: Exclude<Step, "status">, asked: Asked): Promise<void> {
  const hands = await handsOf(asked);
  if (step !== "retire") {
    await takeStep(hands, { t: step });
    return;
  }
  const { args, terminal } = asked;
  const tell = (text: string): void => {
    if (!args.has("json")) terminal.out(text);
  };
  await retireRootOf(hands, {
    status: () => statusOf(asked),
    waive: args.texts("waive").map(parseMemberName),
    isEmergency: args.has("emergency"),
    onWaiting: (missing) => tell(`waits for ${linesOf(missing)}\n`),
    onCutOff: (missing) =>
      tell(missing.length === 0 ? "nobody is cut off\n" : `cut off: ${linesOf(missing)}\n`),
    pause: (ms) => wait(ms),
    limitMs: limitMsIn(args),
  });
}

async function handsOf(asked: Asked): Promise<RotationHands> {
  const dir = asked.args.text("dir");
  if (dir === undefined) {
    throw new MeshError("MESH_USAGE", "Cannot rotate the root: --dir names the root's folder");
  }
  return await handsIn(dir, {
    agent: {
      newest: async () => parseCharterFile(await documentOfAgent("/api/v1/charter", asked)),
      hand: async (signed) => {
        const body = formatCharterFile(signed);
        await changeAtAgent<CharterAnswer>("/api/v1/charter", { ...asked, body });
      },
    },
  });
}

function limitMsIn(args: Arguments): number {
  const text = args.text("timeout") ?? String(defaultLimitSeconds);
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000;
  throw new MeshError("MESH_USAGE", `Cannot wait "${text}": it is a number of seconds`);
}

function linesOf(missing: readonly RotationMemberAnswer[]): string {
  return missing.map(({ name, reasons }) => `${name} (${reasons.join("; ")})`).join(", ");
}
