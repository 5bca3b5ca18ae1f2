import { isIp } from "../../../mesh/address.ts";
import { type Charter, type CharterMember, charterMember } from "../../../mesh/charter.ts";
import type { Finding } from "../../../mesh/service.ts";
import { judgeClaim } from "../../../trust/claims.ts";
import type { MemberFiles } from "../../../trust/io/member-files.ts";
import type { AgentConfig } from "../../config/config.ts";

/** Each way in which `agent.yaml` and the member's folder contradict each other. */
export function differencesFrom(config: AgentConfig, files: MemberFiles): readonly string[] {
  const { charter, mesh, member } = files;
  const wrong: string[] = [];
  if (mesh !== config.mesh) wrong.push(`mesh: "${config.mesh}", but the charter is of "${mesh}"`);
  if (member !== config.member.name) {
    wrong.push(`member.name: "${config.member.name}", but trust.dir belongs to "${member}"`);
  }
  const entry = charterMember(charter.charter, member);
  if (entry === undefined) wrong.push(`member.name: the charter does not have "${member}"`);
  else {
    wrong.push(...differences(entry, config));
    if (entry.state === "denied") wrong.push(`member.name: the charter denies "${member}"`);
    if (!entry.issuers.includes(files.issuer.certificate.spkiSha256)) {
      wrong.push("trust.dir: the charter does not list the issuer in member.pem");
    }
  }
  return wrong;
}

/** What a member is comes from the charter; the configuration only says that its writer knew. */
function differences(entry: CharterMember, { member }: AgentConfig): readonly string[] {
  return (["cloud", "region", "network"] as const)
    .filter((field) => entry[field] !== member[field])
    .map((field) => `member.${field}: "${member[field]}", but the charter says "${entry[field]}"`);
}

/** What is wrong with the member itself, as the charter has it now. */
export function ownFindings(charter: Charter, config: AgentConfig): readonly Finding[] {
  const subject = config.member.name;
  const entry = charterMember(charter, subject);
  if (entry === undefined || entry.state === "denied") {
    const message = "the charter denies this member: others cut its connections";
    return [{ code: "TRUST_MEMBER_DENIED", severity: "error", subject, message }];
  }
  const wrong = differences(entry, config);
  if (wrong.length === 0) return [];
  const message = `agent.yaml disagrees with the charter, which counts: ${wrong.join("; ")}`;
  return [{ code: "TRUST_CHARTER_DIFFERS", severity: "warning", subject, message }];
}

/** What every other member refuses must be seen where it can be corrected. Names are judged by others. */
export function gatewayFindings(charter: Charter, config: AgentConfig): readonly Finding[] {
  const member = config.member.name;
  return config.gateway.addresses.flatMap(({ host }): Finding[] => {
    if (!isIp(host)) return [];
    const verdict = judgeClaim(charter, { member, claim: { t: "address", address: host } });
    if (verdict.t === "ok") return [];
    const message = `gateway.addresses: other members will not use it: ${verdict.reason}`;
    return [{ code: "GATEWAY_ADDRESS_REFUSED", severity: "error", subject: member, message }];
  });
}

export function conflictFinding(mesh: string, number: number): Finding {
  return {
    code: "TRUST_CHARTER_CONFLICT",
    severity: "error",
    subject: mesh,
    message: `charter ${number} was not made from the one in force: the root's key was used twice at once`,
  };
}

export function refusalFinding(mesh: string, reason: string): Finding {
  const message = `a hub offers a charter that is not to be trusted: ${reason}`;
  return { code: "TRUST_CHARTER_REFUSED", severity: "warning", subject: mesh, message };
}
