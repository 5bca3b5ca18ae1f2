import { createHash } from "node:crypto";
import { MeshError } from "../../../mesh/errors.ts";
import type { HeldAnswer } from "../../api-model.ts";
import type { HttpQuery } from "../../http-server.ts";
import type { AgentView } from "../agent-view.ts";

/** The withdrawals that are held back because too many came at once; undefined: none. */
export function heldOf({ core, clock }: Pick<AgentView, "core" | "clock">): HeldAnswer | undefined {
  const { services, releaseAtMs } = core.catalog.held();
  if (releaseAtMs === undefined) return undefined;
  const sorted = [...services].sort();
  return {
    services: sorted,
    forMs: Math.max(0, Math.round(releaseAtMs - clock.monotonicMs())),
    code: createHash("sha256").update(sorted.join("\n")).digest("hex").slice(0, codeLength),
  };
}

// It guards against haste and not against attackers: whoever may ask may read it.
const codeLength = 8;

/**
 * `isthmus catalog confirm CODE`: lets exactly what the operator has seen go. Throws MESH_USAGE when
 * something else is held by now, or nothing.
 */
export function confirmHeld(view: AgentView, query: HttpQuery): { readonly confirmed: number } {
  const { core, config, log } = view;
  const held = heldOf(view);
  const code = query.text("code");
  if (held === undefined) throw refused("nothing is held");
  if (code !== held.code) {
    throw refused(
      `"${code ?? ""}" does not name what is held now; isthmus catalog confirm lists it, with its code`,
    );
  }
  const count = held.services.length;
  log.warn({ member: config.member.name, count }, "Held withdrawals confirmed");
  core.catalog.confirmWithdrawals();
  return { confirmed: count };
}

function refused(truth: string): MeshError {
  return new MeshError("MESH_USAGE", `Cannot confirm withdrawals: ${truth}`);
}
