import { writeSync } from "node:fs";
import { codeOf } from "../mesh/errors.ts";
import type { Terminal } from "./command.ts";

/** The process's own streams; colour only where a person looks. Source: no-color.org. */
export function processTerminal(): Terminal {
  const { env, stdout } = process;
  const isForced = env["FORCE_COLOR"] !== undefined && env["FORCE_COLOR"] !== "0";
  const isRefused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  let isClosed = false;
  return {
    out: (text) => {
      isClosed ||= !writeAll(1, text);
    },
    err: (text) => void writeAll(2, text),
    isClosed: () => isClosed,
    columns: stdout.isTTY ? stdout.columns : columnsIn(env["COLUMNS"]),
    isColourful: !isRefused && (isForced || stdout.isTTY === true),
    ...(stdout.isTTY && env["TERM"] !== "dumb"
      ? { screen: () => ({ columns: stdout.columns, rows: stdout.rows }) }
      : {}),
    env,
  };
}

function columnsIn(text: string | undefined): number | undefined {
  const columns = Number(text);
  return Number.isInteger(columns) && columns >= 20 ? columns : undefined;
}

/**
 * Synchronous, so that nothing is lost when the process ends; a closed pipe is not our failure. False:
 * nobody reads any more.
 */
function writeAll(fd: 1 | 2, text: string): boolean {
  const bytes = Buffer.from(text);
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (thrown) {
      const code = codeOf(thrown);
      if (code === "EAGAIN") continue;
      if (code === "EPIPE") return false;
      throw thrown;
    }
  }
  return true;
}
