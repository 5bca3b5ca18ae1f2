import type { MemberName, Namespace } from "../../mesh/ids.ts";
import type { Finding } from "../../mesh/service.ts";
import type { ImportPolicy } from "./import-policy.ts";

/** All import policies together: each that names a namespace counts, so that their order does not matter. */
export interface ImportRules {
  /** Names of the policies that keep this member's exports of the namespace out; none: they join. */
  readonly against: (namespace: Namespace, member: MemberName) => readonly string[];
  /** `members` are those of the charter. */
  readonly findings: (members: ReadonlySet<string>) => readonly Finding[];
}

// Each costs a look for every namespace and member, and nobody keeps more of them in mind.
const maxPolicies = 200;
const maxNamespacesCompared = 200;
const nobody: readonly string[] = [];

/** Beyond 200 policies, the last ones by name do not count, and a finding says so. */
export function importRules(policies: readonly ImportPolicy[]): ImportRules {
  const counted = [...policies].sort(byName).slice(0, maxPolicies);
  const everywhere = counted.filter(({ namespaces }) => namespaces.includes("*"));
  const byNamespace = new Map<string, ImportPolicy[]>();
  for (const policy of counted) {
    for (const namespace of policy.namespaces) {
      if (namespace === "*") continue;
      const known = byNamespace.get(namespace);
      if (known === undefined) byNamespace.set(namespace, [policy]);
      else known.push(policy);
    }
  }
  const about = (namespace: string): readonly ImportPolicy[] => [
    ...everywhere,
    ...(byNamespace.get(namespace) ?? []),
  ];
  let disjoint: readonly Finding[] | undefined;
  const answers = new Map<string, Map<string, readonly string[]>>();

  return {
    against: (namespace, member) => {
      if (counted.length === 0) return nobody;
      const known = answers.get(namespace) ?? new Map<string, readonly string[]>();
      answers.set(namespace, known);
      const answer = known.get(member) ?? refusingOf(about(namespace), member);
      known.set(member, answer);
      return answer;
    },
    findings: (members) => {
      disjoint ??= disjointIn(byNamespace, everywhere);
      const unknown = counted.flatMap((policy) => unknownMembers(policy, members));
      return [...unknown, ...disjoint, ...tooMany(policies.length)];
    },
  };
}

function byName(left: ImportPolicy, right: ImportPolicy): number {
  if (left.name === right.name) return 0;
  return left.name < right.name ? -1 : 1;
}

function refusingOf(policies: readonly ImportPolicy[], member: string): readonly string[] {
  return policies
    .filter(({ members }) => !members.includes("*") && !members.includes(member))
    .map(({ name }) => name);
}

function unknownMembers(
  { name, members }: ImportPolicy,
  known: ReadonlySet<string>,
): readonly Finding[] {
  const unknown = members.filter((member) => member !== "*" && !known.has(member));
  const [first] = unknown;
  if (first === undefined) return [];
  const more = unknown.length === 1 ? "" : ` and ${unknown.length - 1} more`;
  const message = `it names "${first}"${more}, which the charter does not: nothing can be taken over of it`;
  return [finding("IMPORT_MEMBER_UNKNOWN", `ImportPolicy/${name}`, message)];
}

function disjointIn(
  byNamespace: ReadonlyMap<string, readonly ImportPolicy[]>,
  everywhere: readonly ImportPolicy[],
): readonly Finding[] {
  const all = disjointAt("all namespaces", everywhere);
  // What goes for all of them is said once.
  if (all.length > 0) return all;
  return [...byNamespace]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .slice(0, maxNamespacesCompared)
    .flatMap(([name, policies]) => disjointAt(`namespace ${name}`, [...everywhere, ...policies]));
}

/** Each of them takes something over, and all together nothing: mostly one was meant to widen another. */
function disjointAt(subject: string, policies: readonly ImportPolicy[]): readonly Finding[] {
  if (policies.some(({ members }) => members.length === 0)) return [];
  const [first, ...others] = policies.filter(({ members }) => !members.includes("*"));
  if (first === undefined || others.length === 0) return [];
  let common = first.members;
  for (const { members } of others) {
    const named = new Set(members);
    common = common.filter((member) => named.has(member));
  }
  if (common.length > 0) return [];
  const names = [first, ...others].slice(0, 5).map(({ name }) => `"${name}"`);
  const message = `import policies ${names.join(", ")} have no member in common: nothing is taken over, as each of them counts`;
  return [finding("IMPORT_POLICIES_DISJOINT", subject, message)];
}

function tooMany(count: number): readonly Finding[] {
  if (count <= maxPolicies) return [];
  const message = `there are ${count}; the last ${count - maxPolicies} by name do not count: name more namespaces in each`;
  const found = finding("IMPORT_POLICIES_TOO_MANY", "import policies", message);
  return [{ ...found, severity: "error" }];
}

function finding(code: string, subject: string, message: string): Finding {
  return { code, severity: "warning", subject, message };
}
