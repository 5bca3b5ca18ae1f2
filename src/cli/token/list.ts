import { listTokens, type TokenState, tokenState } from "../../app/join/token-tasks.ts";
import type { StoredToken } from "../../trust/join/join-grant.ts";
import { type Command, exitCodes, jsonOption } from "../command.ts";
import { printJson } from "../print/print-json.ts";
import { type Cell, type Column, type Tone, table } from "../print/table.ts";
import { agentConfigIn, agentConfigOption } from "./agent-config-option.ts";
import { boundTo, instant } from "./token-words.ts";

const columns: readonly Column[] = [
  { title: "TOKEN" },
  { title: "FOR", isElastic: true },
  { title: "STATE" },
  { title: "USED", align: "right" },
  { title: "ENDS" },
  { title: "FROM", isElastic: true, isOptional: true },
];

export const tokenList: Command = {
  name: "token list",
  usage: "--config FILE [--json]",
  about:
    "Lists the join tokens of this agent, newest first; --json says by which keys and from where each was used.\n" +
    "Tokens themselves are not kept. Those that ended are forgotten a week later.",
  options: { ...agentConfigOption, ...jsonOption },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const config = agentConfigIn(args, terminal);
    if (config === undefined) return exitCodes.config;
    const { tokens, damaged } = await listTokens(config);
    const nowMs = Date.now();
    if (args.has("json")) {
      printJson({ tokens: tokens.map((token) => jsonOf(token, nowMs)), damaged }, terminal);
    } else if (tokens.length === 0) terminal.out("No tokens\n");
    else {
      const rows = tokens.map((token) => row(token, nowMs));
      terminal.out(table(columns, rows, terminal));
    }
    for (const folder of damaged) terminal.err(`Cannot read ${folder}: it buys nothing\n`);
    return exitCodes.done;
  },
};

const tones: Readonly<Record<TokenState, Tone>> = {
  good: "good",
  used: "quiet",
  expired: "quiet",
  revoked: "warn",
};

function row(token: StoredToken, nowMs: number): (Cell | string)[] {
  const { record, uses } = token;
  const state = tokenState(token, nowMs);
  return [
    record.id,
    boundTo(record.grant),
    { text: state, tone: tones[state] },
    `${uses.length}/${record.uses}`,
    instant(record.expiresAtMs),
    record.from.join(" ") || "-",
  ];
}

function jsonOf(token: StoredToken, nowMs: number): object {
  const { record, uses, revokedAtMs } = token;
  const { id, grant, createdAtMs, expiresAtMs, from } = record;
  return {
    id,
    state: tokenState(token, nowMs),
    grant,
    createdAtMs,
    expiresAtMs,
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
    maxUses: record.uses,
    uses,
    from,
  };
}
