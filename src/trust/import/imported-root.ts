import type { CharterException } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { MeshDomain } from "../../mesh/ids.ts";
import { bundleOf } from "../bundle.ts";
import type { Certificate } from "../certificate.ts";

/**
 * What a root that was made elsewhere must be, and what the charter has to say of it: nothing where its name
 * constraints keep it inside the mesh; else `reason`, without which it is refused. Throws MESH_TRUST_ISSUE_REFUSED
 * and MESH_TRUST_CHAIN_REFUSED.
 */
export function judgeImportedRoot(
  root: Certificate,
  options: {
    readonly mesh: MeshDomain;
    readonly nowMs: number;
    /** Why an unconstrained one is taken all the same. */
    readonly reason: string | undefined;
  },
): CharterException | undefined {
  const { mesh, nowMs, reason } = options;
  // Self-signed, a CA, and its key may sign certificates.
  bundleOf([root.der]);
  const { basicConstraints, strangers } = root.extensions;
  if (basicConstraints?.isCritical !== true) refuseImport("it is not a CA by a critical extension");
  if (basicConstraints.pathLength === 0)
    refuseImport("its path length is 0: it may not sign issuers");
  if (strangers.length > 0) refuseImport("it has a critical extension that is not understood");
  if (nowMs < root.notBeforeMs || nowMs > root.notAfterMs) refuseImport("it is not valid now");
  if (isInside(root, mesh)) return undefined;
  if (reason === undefined) {
    refuseImport(
      `its name constraints do not keep it inside ${mesh}, so that whoever holds its key can certify any name; ` +
        "to take it all the same, say why with --exception, and the charter will say so for ever",
    );
  }
  return { t: "unconstrained-root", sha256: root.sha256, reason, timeMs: nowMs };
}

/** A URI base with a leading dot means the hosts below it. */
function isInside(root: Certificate, mesh: MeshDomain): boolean {
  const constraints = root.extensions.nameConstraints;
  const uris = constraints?.permitted.filter((base) => base.t === "uri") ?? [];
  return (
    constraints?.isCritical === true &&
    uris.length > 0 &&
    uris.every((base) => base.t === "uri" && base.value.endsWith(`.${mesh}`))
  );
}

export function refuseImport(truth: string): never {
  throw new MeshError("MESH_TRUST_ISSUE_REFUSED", `Cannot import certificate: ${truth}`);
}
