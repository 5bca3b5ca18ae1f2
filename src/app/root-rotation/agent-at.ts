import { type ErrorCode, errorCodes, MeshError } from "../../mesh/errors.ts";
import { formatCharterFile, parseCharterFile } from "../../trust/charter-file.ts";
import type { ErrorAnswer, RotationAnswer } from "../api-model.ts";
import { changeHeader } from "../changing-requests.ts";
import type { CharterHolder } from "./rotate-root.ts";

/** An agent of this machine that brings the steps of a rotation to all others. */
export interface AgentAt extends CharterHolder {
  readonly status: () => Promise<RotationAnswer>;
}

// It answers from memory.
const timeoutMs = 10_000;

/** By its HTTP port. Calls throw what the agent refuses with, and as `fetch`. */
export function agentAt(httpUrl: string): AgentAt {
  const ask = async (path: string, how: RequestInit = {}): Promise<string> => {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(new URL(path, httpUrl), { ...how, signal });
    const text = await response.text();
    if (response.ok) return text;
    throw refusalIn(text);
  };
  return {
    newest: async () => parseCharterFile(await ask("/api/v1/charter")),
    hand: async (signed) => {
      const headers = { [changeHeader]: "rotation" };
      await ask("/api/v1/charter", { method: "POST", headers, body: formatCharterFile(signed) });
    },
    status: async () => JSON.parse(await ask("/api/v1/rotation")) as RotationAnswer,
  };
}

function refusalIn(text: string): MeshError {
  const { code, message } = JSON.parse(text) as Partial<ErrorAnswer>;
  const known: ErrorCode | undefined = errorCodes.find((one) => one === code);
  return new MeshError(known ?? "MESH_INTERNAL", message ?? "the agent gave no reason");
}
