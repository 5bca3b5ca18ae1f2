import type { Charter, RootRotation, Succession } from "../../mesh/charter.ts";
import { charterMember } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Certificate } from "../certificate.ts";
import { maxSuccessions } from "../charter-codec.ts";
import { spkiSha256Of } from "./root-spki.ts";

// Each takes the charter in force and gives the next one, or that very one where its work is done already: a
// command that was broken off is given again. None of them asks whether it is time; `readiness.ts` does.

/** Both roots are published; nothing is signed by the new one yet. Throws MESH_TRUST_ROTATION_REFUSED. */
export function publishRoot(
  charter: Charter,
  entry: {
    /** The root that members trust now. */
    readonly from: string;
    readonly next: Certificate;
    readonly cross: Certificate;
    readonly nowMs: number;
  },
): Charter {
  const { from, next, cross, nowMs } = entry;
  const to = next.spkiSha256;
  if (charter.rotation !== undefined) {
    const isSame = charter.rotation.to === to && charter.rotation.cross !== undefined;
    return isSame ? charter : refuse("start", "another rotation is under way; see status");
  }
  if (from === to) return refuse("start", "the new root has the old one's key");
  if (!bundleSpkis(charter).includes(from)) {
    return refuse("start", "the root at hand is not in the charter in force");
  }
  return raised(charter, {
    bundle: [...charter.bundle, next.der.toString("base64")],
    rotationStep: "publishing",
    rotation: { from, to, cross: cross.der.toString("base64"), startedMs: nowMs, waived: [] },
    timeMs: nowMs,
  });
}

/** Members get issuers under the new root and sign with those. Throws MESH_TRUST_ROTATION_REFUSED. */
export function activateRoot(charter: Charter, timeMs: number): Charter {
  rotationOf(charter, "activate");
  if (isAtLeast(charter, "activating")) return charter;
  return raised(charter, { rotationStep: "activating", timeMs });
}

/** What still stands under the old root is replaced before its time. Throws MESH_TRUST_ROTATION_REFUSED. */
export function drainRoot(charter: Charter, timeMs: number): Charter {
  rotationOf(charter, "drain");
  if (isAtLeast(charter, "draining")) return charter;
  if (charter.rotationStep !== "activating") return refuse("drain", "nothing is active yet");
  return raised(charter, { rotationStep: "draining", timeMs });
}

/**
 * The old root leaves the bundle. `succession` says so to whoever knows that one alone; none where a rotation is
 * undone. Throws MESH_TRUST_ROTATION_REFUSED.
 */
export function retireRoot(
  charter: Charter,
  entry: {
    readonly succession: Succession | undefined;
    /** Also before everything was replaced. */
    readonly isEmergency: boolean;
    readonly nowMs: number;
  },
): Charter {
  const { from } = rotationOf(charter, "retire");
  if (charter.rotationStep === "retiring") return charter;
  if (charter.rotationStep !== "draining" && !entry.isEmergency) {
    return refuse(
      "retire",
      "identities under the old root are not replaced yet; drain comes first",
    );
  }
  return raised(charter, {
    bundle: without(charter, from),
    rotationStep: "retiring",
    ...withSuccession(charter, entry),
    timeMs: entry.nowMs,
  });
}

/** The rotation is over. Throws MESH_TRUST_ROTATION_REFUSED. */
export function endRotation(charter: Charter, timeMs: number): Charter {
  if (charter.rotation === undefined) return charter;
  if (charter.rotationStep !== "retiring") return refuse("end", "the old root is still trusted");
  return idle(charter, { bundle: charter.bundle, timeMs });
}

/**
 * Before anything was signed by the new root it is simply taken back. Afterwards the rotation runs the other way:
 * both stay trusted until nothing stands under the new one. Throws MESH_TRUST_ROTATION_REFUSED.
 */
export function abortRotation(charter: Charter, timeMs: number): Charter {
  const { rotation } = charter;
  if (rotation === undefined) return charter;
  const { from, to, cross, startedMs, waived } = rotation;
  if (charter.rotationStep === "retiring") {
    return refuse("abort", "the old root is retired; start another rotation");
  }
  if (cross === undefined) return charter;
  if (!isAtLeast(charter, "activating")) {
    return idle(charter, { bundle: without(charter, to), timeMs });
  }
  return raised(charter, {
    rotationStep: "draining",
    rotation: { from: to, to: from, startedMs, waived },
    timeMs,
  });
}

/** These are not waited for any more. Throws MESH_TRUST_ROTATION_REFUSED and MESH_NOT_FOUND. */
export function waiveMembers(
  charter: Charter,
  entry: { readonly names: readonly MemberName[]; readonly nowMs: number },
): Charter {
  const rotation = rotationOf(charter, "waive");
  for (const name of entry.names) {
    if (charterMember(charter, name) !== undefined) continue;
    throw new MeshError("MESH_NOT_FOUND", `Cannot find member "${name}" in the charter`);
  }
  const added = entry.names.filter((name) => !rotation.waived.includes(name));
  if (added.length === 0) return charter;
  const waived = [...rotation.waived, ...new Set(added)];
  return raised(charter, { rotation: { ...rotation, waived }, timeMs: entry.nowMs });
}

const order = ["idle", "prepared", "publishing", "activating", "draining", "retiring"] as const;

function isAtLeast(charter: Charter, step: Charter["rotationStep"]): boolean {
  return order.indexOf(charter.rotationStep) >= order.indexOf(step);
}

function rotationOf(charter: Charter, what: string): RootRotation {
  return charter.rotation ?? refuse(what, "no rotation is under way; start comes first");
}

function bundleSpkis(charter: Charter): readonly string[] {
  return charter.bundle.map(spkiSha256Of);
}

/** Never empty: the other root of the rotation is in it. */
function without(charter: Charter, spkiSha256: string): readonly string[] {
  return charter.bundle.filter((root) => spkiSha256Of(root) !== spkiSha256);
}

function withSuccession(
  { succession = [], rotation, bundle }: Charter,
  said: { readonly succession: Succession | undefined; readonly isEmergency: boolean },
): Pick<Charter, "succession"> {
  if (said.succession === undefined) return {};
  const cross = rotation?.cross === undefined ? {} : { cross: rotation.cross };
  const old = bundle.find((root) => spkiSha256Of(root) === rotation?.from);
  const retired = said.isEmergency || old === undefined ? {} : { retired: old };
  const statement = { ...said.succession, ...cross, ...retired };
  return { succession: [...succession, statement].slice(-maxSuccessions) };
}

function idle(charter: Charter, change: Pick<Charter, "bundle" | "timeMs">): Charter {
  const { rotation: _, ...rest } = charter;
  return raised(rest, { rotationStep: "idle", ...change });
}

function raised(charter: Charter, change: Partial<Charter>): Charter {
  return { ...charter, ...change, number: charter.number + 1 };
}

function refuse(what: string, truth: string): never {
  throw new MeshError("MESH_TRUST_ROTATION_REFUSED", `Cannot ${what} the rotation: ${truth}`);
}
