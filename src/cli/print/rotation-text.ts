import type { RotationAnswer, RotationMemberAnswer } from "../../app/api-model.ts";
import type { Terminal } from "../command.ts";
import { instant } from "../token/token-words.ts";
import { type Cell, type Column, table } from "./table.ts";

const columns: readonly Column[] = [
  { title: "MEMBER", isElastic: true },
  { title: "PROXIES", align: "right" },
  { title: "CONFIRMED", align: "right" },
  { title: "OLD", align: "right" },
  { title: "MISSING", isElastic: true },
];

/** What comes next, by the step that is in force. */
const nextStep: Readonly<Record<RotationAnswer["step"], string>> = {
  idle: "",
  prepared: "",
  publishing: "activate waits for nobody; until then abort takes the new root back",
  activating: "drain replaces what still stands under the old root",
  draining: "retire takes the old root out when nobody is missing any more",
  retiring: "retire ends it when everybody has confirmed",
};

export function rotationText(
  answer: RotationAnswer,
  terminal: Pick<Terminal, "columns" | "isColourful">,
): string {
  const { step, charterNumber, from = "", to = "", startedMs } = answer;
  if (step === "idle") return `No rotation of the root is under way; charter ${charterNumber}\n`;
  const way = answer.isUndone === true ? "Goes back" : "Rotates";
  const since = startedMs === undefined ? "" : `, since ${instant(startedMs)}`;
  const head =
    `${way} from root ${from.slice(0, 16)} to ${to.slice(0, 16)}: ${step}, charter ${charterNumber}${since}\n` +
    `next: ${nextStep[step]}\n\n`;
  return head + table(columns, answer.members.map(row), terminal);
}

function row(member: RotationMemberAnswer): readonly (Cell | string)[] {
  const { proxies } = member;
  const count = (value: number | undefined): string => (value === undefined ? "-" : String(value));
  return [
    member.name,
    count(proxies?.connected),
    count(proxies?.acknowledged),
    count(proxies?.old),
    missingCell(member),
  ];
}

function missingCell({ reasons, isWaived }: RotationMemberAnswer): Cell {
  if (reasons.length === 0) return { text: "nothing", tone: "good" };
  const text = reasons.join("; ");
  return isWaived ? { text: `waived: ${text}`, tone: "quiet" } : { text, tone: "warn" };
}
