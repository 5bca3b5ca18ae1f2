import { createHash } from "node:crypto";
import { type Registered, registeredKey } from "../../../discovery/registration/registered.ts";
import {
  type Arrival,
  type RegisteredBook,
} from "../../../discovery/registration/registered-book.ts";
import type { Selection } from "../../../discovery/registration/selection.ts";
import { canonicalIp, isIp } from "../../../mesh/address.ts";
import type { ClaimVerdict } from "../../../mesh/claim.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { type SpiffeId, type TrustDomain, workloadSpiffeId } from "../../../mesh/ids.ts";
import { groupNamespace, readGroupId, type WorkloadGroup } from "../../../mesh/workload-group.ts";
import type { Registrant } from "../../../proxy/registration-desk.ts";
import { instanceSecretBytes } from "../../../xds/registering/requests.ts";

export interface ArrivalRules {
  readonly book: Pick<RegisteredBook, "at">;
  readonly selection: Pick<Selection, "group" | "groups">;
  readonly trustDomain: () => TrustDomain;
  /** Whether the charter lets this member use the address. */
  readonly checkAddress: (address: string) => ClaimVerdict;
  /** Whether a cluster knows the address as one of its pods'. */
  readonly isPods: (address: string) => boolean;
  readonly monotonicMs: () => number;
}

const namePattern = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const zonePattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** The group that the peer may stand for. Throws MESH_REGISTRATION_GROUP and MESH_REGISTRATION_REFUSED. */
export function groupFor(peer: SpiffeId, written: string, rules: ArrivalRules): WorkloadGroup {
  if (written === "") return onlyGroupOf(peer, rules);
  const id = readGroupId(written);
  const group = id === undefined ? undefined : rules.selection.group(id);
  if (group === undefined) {
    // Before its identity is compared: whoever has none here learns no more than that.
    throw groupless(`no source of this agent has WorkloadGroup "${written.slice(0, 80)}"`);
  }
  const wanted = identityOf(group, rules.trustDomain());
  if (peer === wanted) return group;
  throw refusal(`it is ${peer}, and workloads of group ${group.id} are ${wanted}`);
}

function onlyGroupOf(peer: SpiffeId, { selection, trustDomain }: ArrivalRules): WorkloadGroup {
  const all = [...selection.groups()].filter((each) => identityOf(each, trustDomain()) === peer);
  const [group] = all;
  if (group !== undefined && all.length === 1) return group;
  throw groupless(
    all.length === 0
      ? `no WorkloadGroup of this agent has the service account of ${peer}`
      : `several WorkloadGroups have the service account of ${peer}; name one of ${all.map(({ id }) => id).join(", ")}`,
  );
}

function identityOf(group: WorkloadGroup, trustDomain: TrustDomain): SpiffeId {
  const { serviceAccount } = group;
  return workloadSpiffeId(trustDomain, { namespace: groupNamespace(group.id), serviceAccount });
}

export interface JudgedArrival {
  readonly arrival: Arrival;
  /** Keys of those whose address it has now. */
  readonly displaced: readonly string[];
}

/** What the book may take in. Throws MESH_REGISTRATION_…. */
export function judgeArrival(registrant: Registrant, rules: ArrivalRules): JudgedArrival {
  const { peer, registration } = registrant;
  const group = groupFor(peer, registration.group, rules);
  const { instanceSecret, name, zone, version, health } = registration;
  if (instanceSecret.length < instanceSecretBytes.min) {
    throw refusal(`its instance secret is shorter than ${instanceSecretBytes.min} bytes`);
  }
  if (!namePattern.test(name)) throw refusal("its name is no DNS name");
  if (!zonePattern.test(zone)) throw refusal("its zone is no name of a zone");
  const instance = createHash("sha256").update(instanceSecret).digest("hex").slice(0, 32);
  const { serviceAccount } = group;
  const key = registeredKey({ group: group.id, serviceAccount, instance });
  const isOwnAddress = sameAddress(registration.address, registrant.remoteAddress);
  const { address, displaced } = addressFor(registrant, { key, group, isOwnAddress, rules });
  const arrival: Arrival = {
    key,
    group: group.id,
    serviceAccount,
    instance,
    name,
    address,
    isOwnAddress,
    zone,
    version: version.slice(0, 64).replaceAll(/[^A-Za-z0-9._+-]/g, "?"),
    stated: health.health === "unknown" ? undefined : health.health,
    reason: health.reason,
  };
  return { arrival, displaced };
}

function sameAddress(stated: string, remote: string): boolean {
  return isIp(stated) && isIp(remote) && canonicalIp(stated) === canonicalIp(remote);
}

interface Place {
  readonly key: string;
  readonly group: WorkloadGroup;
  readonly isOwnAddress: boolean;
  readonly rules: ArrivalRules;
}

function addressFor(
  { registration }: Registrant,
  place: Place,
): { readonly address: string; readonly displaced: readonly string[] } {
  const { rules } = place;
  const shown = JSON.stringify(registration.address);
  if (!isIp(registration.address)) throw addressless(`${shown} is no IP address`);
  const address = canonicalIp(registration.address);
  const verdict = rules.checkAddress(address);
  if (verdict.t === "dropped") throw addressless(`the charter says: ${verdict.reason}`);
  if (rules.isPods(address)) throw addressless(`${address} is a pod's of this cluster`);
  const others = rules.book.at(address).filter((one) => sharesDoor(one, place));
  const holder = others.find((one) => isInTheWay(one, place));
  if (holder === undefined) return { address, displaced: others.map((one) => one.key) };
  throw addressless(`${address} is that of ${holder.name} of group ${holder.group}`);
}

/** Workloads of one machine have ports of their own. */
function sharesDoor(other: Registered, { key, group, rules }: Place): boolean {
  if (other.key === key || other.stream.t === "gone") return false;
  const theirs = rules.selection.group(other.group)?.ports ?? [];
  return theirs.some(({ port }) => group.ports.some((own) => own.port === port));
}

/**
 * An address may have been given to another machine: who speaks from it has it, and so has whoever takes over
 * that of one that has long been silent.
 */
function isInTheWay(other: Registered, { isOwnAddress, rules }: Place): boolean {
  if (isOwnAddress && !other.isOwnAddress) return false;
  if (other.stream.t === "live") return true;
  if (isOwnAddress) return false;
  const { unhealthyAfterMs = 0 } = rules.selection.group(other.group) ?? {};
  return rules.monotonicMs() - other.stream.sinceMs < unhealthyAfterMs;
}

function refusal(truth: string): MeshError {
  return new MeshError("MESH_REGISTRATION_REFUSED", `Cannot register: ${truth}`);
}

function groupless(truth: string): MeshError {
  return new MeshError("MESH_REGISTRATION_GROUP", `Cannot register: ${truth}`);
}

function addressless(truth: string): MeshError {
  return new MeshError("MESH_REGISTRATION_ADDRESS", `Cannot register: ${truth}`);
}
