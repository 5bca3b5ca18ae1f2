import { MeshError } from "../mesh/errors.ts";
import type { MeshDomain, TrustDomain } from "../mesh/ids.ts";
import { memberOfTrustDomain, parseSpiffeId, spiffePartsOf } from "../mesh/ids.ts";
import type { Tbs } from "./certificate.ts";
import { parseTbs } from "./certificate.ts";
import { writeDer } from "./der.ts";
import type { NameConstraints } from "./general-name.ts";
import { memberConstraints, writeNameConstraints } from "./general-name.ts";
import type { Signer } from "./signer.ts";

/**
 * A root signer that signs issuers of this mesh's members and nothing else. One intermediate without
 * name constraints could speak for every member, so the last door before the key looks at the very
 * bytes it signs. Its `sign` throws MESH_TRUST_ISSUE_REFUSED.
 */
export function guardRoot(signer: Signer, mesh: MeshDomain): Signer {
  return {
    ...signer,
    sign: async (bytes) => {
      const trustDomain = issuerTrustDomain(parseTbs(bytes));
      const member = trustDomain === undefined ? undefined : memberOfTrustDomain(trustDomain, mesh);
      if (member !== undefined) return await signer.sign(bytes);
      throw new MeshError(
        "MESH_TRUST_ISSUE_REFUSED",
        `Cannot sign with root "${signer.keyId}": it is not an issuer bound to one member of ${mesh}`,
      );
    },
  };
}

/**
 * The one trust domain that an issuer is bound to: path length 0, and exactly the critical name
 * constraints that `memberConstraints` gives. Undefined for any other certificate.
 */
export function issuerTrustDomain(issuer: Tbs): TrustDomain | undefined {
  const { basicConstraints, nameConstraints, subjectAltName } = issuer.extensions;
  const [name, ...more] = subjectAltName?.names ?? [];
  if (name?.t !== "uri" || more.length > 0) return undefined;
  const trustDomain = trustDomainOfUri(name.value);
  const isBound =
    trustDomain !== undefined &&
    basicConstraints?.isCritical === true &&
    basicConstraints.pathLength === 0 &&
    nameConstraints?.isCritical === true &&
    isSame(nameConstraints, memberConstraints(trustDomain));
  return isBound ? trustDomain : undefined;
}

function trustDomainOfUri(uri: string): TrustDomain | undefined {
  try {
    const parts = spiffePartsOf(parseSpiffeId(uri));
    return parts.path === "" ? parts.trustDomain : undefined;
  } catch {
    return undefined;
  }
}

function isSame(stated: NameConstraints, wanted: NameConstraints): boolean {
  const isKnown = [...stated.permitted, ...stated.excluded].every((base) => base.t !== "other");
  return (
    isKnown && writeDer(writeNameConstraints(stated)).equals(writeDer(writeNameConstraints(wanted)))
  );
}
