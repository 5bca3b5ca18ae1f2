import { formatHostPort, type HostPort, parseHostPort } from "../../../mesh/address.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import { fieldOf } from "../../../mesh/json-map.ts";
import { dial } from "../../dial.ts";
import { holderOf } from "../join/state-folder.ts";
import { bad, type Diagnosis, good, odd } from "./diagnosis.ts";

const timeoutMs = 3_000;
// Of a service with thousands of workloads a few tell as much.
const maxDialled = 20;

/** Whether the sidecar runs, how fast it had its first configuration, and whether it gets to whom it was told of. */
export async function lookAtSidecar(dir: string, admin: HostPort): Promise<readonly Diagnosis[]> {
  const subject = `http://${formatHostPort(admin)}`;
  const holder = await holderOf(dir).catch(() => undefined);
  if (holder === undefined) {
    const todo = "systemctl start isthmus-vm, or run isthmus vm join again";
    return [odd("VM_SIDECAR", { subject: dir, found: "no sidecar runs", todo })];
  }
  try {
    const config = await jsonAt(`${subject}/config`);
    return [
      lookAtState(subject, { config, holder }),
      lookAtFirst(subject, fieldOf(config, "firstConfigAfterMs")),
      ...(await lookAtDestinations(fieldOf(config, "destinations"))),
    ];
  } catch (thrown) {
    const todo = `process ${holder} does not answer there: see its log (journalctl -u isthmus-vm), restart it`;
    return [bad("VM_SIDECAR", { subject, found: reasonOf(thrown), todo })];
  }
}

function lookAtState(
  subject: string,
  { config, holder }: { readonly config: unknown; readonly holder: number },
): Diagnosis {
  const isConnected = fieldOf(config, "isConnected") === true;
  if (fieldOf(config, "isReady") !== true) {
    const todo = "see its log (journalctl -u isthmus-vm), then whether it reaches an agent";
    const found = `process ${holder} runs and has no configuration yet`;
    return bad("VM_SIDECAR", { subject, found, todo });
  }
  if (isConnected) return good("VM_SIDECAR", subject, `process ${holder} serves and has its agent`);
  return odd("VM_SIDECAR", {
    subject,
    found: `process ${holder} serves what it was told, and has no agent now`,
    todo: "nothing is lost meanwhile; look after the agent",
  });
}

// Joining is a matter of a second; a machine far away needs some round trips more.
const slowMs = 10_000;

function lookAtFirst(subject: string, afterMs: unknown): Diagnosis {
  if (typeof afterMs !== "number") {
    const todo = "look at it again when the sidecar serves";
    return odd("VM_FIRST_CONFIG", { subject, found: "none acknowledged yet", todo });
  }
  const found = `acknowledged ${(afterMs / 1000).toFixed(2)} s after the process began`;
  if (afterMs < slowMs) return good("VM_FIRST_CONFIG", subject, found);
  return odd("VM_FIRST_CONFIG", {
    subject,
    found,
    todo: "its log says what it waited for: an agent, mostly",
  });
}

/** Gateways of other members, and workloads of this one. */
async function lookAtDestinations(listed: unknown): Promise<readonly Diagnosis[]> {
  if (!Array.isArray(listed)) return [];
  const all = listed.slice(0, maxDialled).map(String);
  const dialled = await Promise.all(
    all.map(async (text) => {
      const door = await dial(parseHostPort(text), AbortSignal.timeout(timeoutMs));
      return { text, reason: door };
    }),
  );
  const lost = dialled.filter(({ reason }) => reason !== undefined);
  if (all.length > 0 && lost.length === 0) {
    const left = listed.length - all.length;
    const found = `${all.length} take connections${left > 0 ? `, ${left} not tried` : ""}`;
    return [good("VM_DESTINATIONS", "gateways and workloads", found)];
  }
  return lost.map(({ text, reason }) =>
    odd("VM_DESTINATIONS", {
      subject: text,
      found: reason ?? "",
      todo: "others are tried in its place; let this machine through to it, or see why it is down",
    }),
  );
}

async function jsonAt(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  return await response.json();
}
