import type { Log } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { saveCharter } from "../../../trust/io/member-files.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { AgentCore } from "../core/agent-core.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { type CharterDesk, createCharterDesk } from "./charter-desk.ts";
import { createRootSigner } from "./root-signer.ts";

export interface OpenedDesk extends CharterDesk {
  readonly findings: () => readonly Finding[];
}

/** The desk of an agent; with `trust.signer`, what is wrong with it is known soon after the start. */
export function openDesk(
  { trust: { dir, signer: place }, member }: AgentConfig,
  parts: { readonly trust: AgentTrust; readonly core: AgentCore; readonly log: Log },
): OpenedDesk {
  const { trust, core, log } = parts;
  const root = place === undefined ? undefined : createRootSigner(place, member.name);
  const desk = createCharterDesk({
    signer: root?.open,
    current: trust.charter,
    save: async (charter) => await saveCharter(dir, charter),
    offer: (signed) => core.offerCharter(signed),
    log,
  });
  // What is found is a finding: an agent without its root still serves.
  if (root !== undefined) void desk.root().catch(() => undefined);
  const isRoot = (keyId: string): boolean =>
    trust.charter().bundle.roots.some((each) => each.spkiSha256 === keyId);
  return { ...desk, findings: () => root?.findings(isRoot) ?? [] };
}
