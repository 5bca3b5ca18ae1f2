import type { Charter, SignedCharter } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Certificate } from "../../trust/certificate.ts";
import { judgeCharter, signCharter, type TrustedCharter } from "../../trust/charter.ts";
import { loadCharterOf, saveCharter } from "../../trust/io/member-files.ts";
import { prepareNextRoot, type RootPlace, settleRoots } from "../../trust/io/next-root.ts";
import { probeRoot } from "../../trust/io/probe-root.ts";
import { lockedRoot } from "../../trust/io/root-folder.ts";
import { openRootSigner } from "../../trust/io/root-keys.ts";
import { rootPlaceIn } from "../../trust/io/root-place.ts";
import type { Authority } from "../../trust/issue.ts";
import { crossCertify } from "../../trust/root-rotation/cross-certify.ts";
import { charterSignerOf } from "../../trust/root-rotation/issuing-root.ts";
import {
  abortRotation,
  activateRoot,
  drainRoot,
  endRotation,
  publishRoot,
  retireRoot,
  waiveMembers,
} from "../../trust/root-rotation/steps.ts";
import { declareSuccessor } from "../../trust/root-rotation/succession.ts";

/** An agent that brings charters to all others. */
export interface CharterHolder {
  /** The newest that it has. */
  readonly newest: () => Promise<SignedCharter>;
  /** Throws MESH_TRUST_CHARTER_CONFLICT when another one has that number. */
  readonly hand: (signed: SignedCharter) => Promise<void>;
}

export interface RotationHands extends RootPlace {
  readonly agent: CharterHolder;
  readonly nowMs: () => number;
}

/** Of a root's folder, whose key may be in a token. Throws as `rootPlaceIn`. */
export async function handsIn(
  dir: string,
  options: { readonly agent: CharterHolder },
): Promise<RotationHands> {
  return { dir, key: await rootPlaceIn(dir), nowMs: () => Date.now(), ...options };
}

export type RotationStep =
  | { readonly t: "start" | "activate" | "drain" | "abort" | "end" }
  | { readonly t: "waive"; readonly names: readonly MemberName[] }
  | { readonly t: "retire"; readonly isEmergency: boolean };

// Agents that may use the root raise charters, too: each new issuer is one.
const maxTries = 8;

/**
 * Takes one step of a rotation: makes the next charter out of the newest, has it signed by the root that readers
 * know, and hands it to an agent, which is when it counts. Whatever is broken off in between, the same call again
 * goes on. Throws MESH_TRUST_ROTATION_REFUSED, and as the agent, the signer and the file system do.
 */
export async function takeStep(hands: RotationHands, step: RotationStep): Promise<TrustedCharter> {
  return await lockedRoot(hands.dir, async () => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await tryStep(hands, step);
      } catch (thrown) {
        const isRace = thrown instanceof MeshError && thrown.code === "MESH_TRUST_CHARTER_CONFLICT";
        if (!isRace || tries === maxTries) throw thrown;
      }
    }
  });
}

async function tryStep(hands: RotationHands, step: RotationStep): Promise<TrustedCharter> {
  const current = await newestCharter(hands);
  const edited = await edit(current, { hands, step });
  const next = edited === current.charter ? current : await raise(edited, { hands, current });
  // The keys change places only when the charter says so that is in force.
  if (next.charter.rotation === undefined) await settleRoots(hands, next.bundle);
  return next;
}

/** The folder's or the agent's; the folder is a copy of it, and brings what was made in it alone. */
async function newestCharter({ dir, agent }: RotationHands): Promise<TrustedCharter> {
  const own = await loadCharterOf(dir);
  const verdict = judgeCharter(await agent.newest(), own);
  switch (verdict.t) {
    case "newer":
      await saveCharter(dir, verdict.charter);
      return verdict.charter;
    case "known":
      await agent.hand(own.signed);
      return own;
    case "conflict":
      throw new MeshError(
        "MESH_TRUST_CHARTER_REFUSED",
        `Cannot rotate the root: "${dir}" and the agent have two charters with number ${verdict.number}; copy ` +
          "charter.json of the agent's trust.dir there if that is the one that counts",
      );
    case "refused":
      throw new MeshError(
        "MESH_TRUST_CHARTER_REFUSED",
        `Cannot rotate the root in "${dir}": the agent's charter is of another root: ${verdict.reason}`,
      );
  }
}

async function raise(
  edited: Charter,
  { hands, current }: { readonly hands: RotationHands; readonly current: TrustedCharter },
): Promise<TrustedCharter> {
  const wanted = charterSignerOf(edited);
  const isAny = (keyId: string): boolean =>
    current.bundle.roots.some(({ spkiSha256 }) => spkiSha256 === keyId);
  const signer = await openRootSigner(hands.key, wanted === undefined ? isAny : isKey(wanted));
  const next = await signCharter(edited, signer);
  await hands.agent.hand(next.signed);
  await saveCharter(hands.dir, next);
  return next;
}

interface Work {
  readonly hands: RotationHands;
  readonly step: RotationStep;
}

async function edit(current: TrustedCharter, { hands, step }: Work): Promise<Charter> {
  const { charter } = current;
  const nowMs = hands.nowMs();
  switch (step.t) {
    case "start":
      return await start(current, hands);
    case "activate":
      return activateRoot(charter, nowMs);
    case "drain":
      return drainRoot(charter, nowMs);
    case "waive":
      return waiveMembers(charter, { names: step.names, nowMs });
    case "retire":
      return await retire(current, { hands, isEmergency: step.isEmergency });
    case "end":
      return endRotation(charter, nowMs);
    case "abort":
      return abortRotation(charter, nowMs);
  }
}

async function start(current: TrustedCharter, hands: RotationHands): Promise<Charter> {
  const { charter } = current;
  if (charter.rotation !== undefined) {
    // It is this one that is under way, or the edit refuses.
    const [next] = current.bundle.roots.filter(isRoot(charter.rotation.to));
    if (next === undefined) return charter;
    return publishRoot(charter, { ...charter.rotation, next, cross: next, nowMs: hands.nowMs() });
  }
  const { mesh } = charter;
  const nowMs = hands.nowMs();
  const isPresent = (keyId: string): boolean => current.bundle.roots.some(isRoot(keyId));
  const present = await authority(current, { hands, isWanted: isPresent });
  const next = await prepareNextRoot(hands, { mesh, nowMs });
  const cross = await crossCertify({ by: present, root: next.certificate, nowMs });
  await probeRoot({ next, cross, present: present.certificate, mesh, nowMs });
  const from = present.signer.keyId;
  return publishRoot(charter, { from, next: next.certificate, cross, nowMs });
}

async function retire(
  current: TrustedCharter,
  { hands, isEmergency }: { readonly hands: RotationHands; readonly isEmergency: boolean },
): Promise<Charter> {
  const { charter, bundle } = current;
  const { rotation } = charter;
  const nowMs = hands.nowMs();
  const stays = bundle.roots.find(isRoot(rotation?.to));
  // Whoever was away for an undone rotation knows the root that stays.
  const isAnnounced = rotation?.cross !== undefined && charter.rotationStep !== "retiring";
  const succession =
    isAnnounced && stays !== undefined
      ? await declareSuccessor({
          by: (await authority(current, { hands, isWanted: isKey(rotation.from) })).signer,
          root: stays,
          mesh: charter.mesh,
        })
      : undefined;
  return retireRoot(charter, { succession, isEmergency, nowMs });
}

async function authority(
  { bundle }: TrustedCharter,
  {
    hands,
    isWanted,
  }: { readonly hands: RotationHands; readonly isWanted: (keyId: string) => boolean },
): Promise<Authority> {
  const signer = await openRootSigner(hands.key, isWanted);
  const certificate = bundle.roots.find(isRoot(signer.keyId));
  if (certificate !== undefined && isWanted(signer.keyId)) return { certificate, signer };
  throw new MeshError(
    "MESH_TRUST_SIGNER_MISSING",
    `Cannot rotate the root in "${hands.dir}": the key at hand is not that of the root in the charter`,
  );
}

function isRoot(spkiSha256: string | undefined): (root: Certificate) => boolean {
  return (root) => root.spkiSha256 === spkiSha256;
}

function isKey(spkiSha256: string): (keyId: string) => boolean {
  return (keyId) => keyId === spkiSha256;
}
