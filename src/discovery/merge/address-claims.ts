import type { MemberName, ServiceId } from "../../mesh/ids.ts";

/**
 * Who says that an address of the own network is one of its workloads. Two members that claim the same
 * one cannot both be right, and dialling it may reach the wrong one.
 */
export interface AddressClaims {
  /** Replaces what a member claims for a service; returns services of others that it puts in doubt. */
  readonly set: (
    of: { readonly member: MemberName; readonly id: ServiceId },
    addresses: readonly string[],
  ) => ReadonlySet<ServiceId>;
  readonly isContested: (address: string) => boolean;
  /** Contested addresses with their claimants. */
  readonly contested: () => ReadonlyMap<string, readonly MemberName[]>;
}

type Claimants = Map<MemberName, Set<ServiceId>>;

export function createAddressClaims(): AddressClaims {
  const byAddress = new Map<string, Claimants>();
  const byService = new Map<string, readonly string[]>();
  const contested = new Set<string>();

  /** Services whose answer changes because this address became contested or ceased to be. */
  const judge = (address: string): readonly ServiceId[] => {
    const claimants = byAddress.get(address);
    const isContested = (claimants?.size ?? 0) > 1;
    if (isContested === contested.has(address)) return [];
    if (isContested) contested.add(address);
    else contested.delete(address);
    return [...(claimants?.values() ?? [])].flatMap((ids) => [...ids]);
  };

  return {
    set: ({ member, id }, addresses) => {
      const key = `${member} ${id}`;
      const before = byService.get(key) ?? [];
      if (addresses.length === 0) byService.delete(key);
      else byService.set(key, addresses);
      for (const address of before) withdraw(byAddress, { address, member, id });
      for (const address of addresses) claim(byAddress, { address, member, id });
      const touched = new Set([...before, ...addresses]);
      return new Set([...touched].flatMap((address) => judge(address)));
    },
    isContested: (address) => contested.has(address),
    contested: () =>
      new Map(
        [...contested].map((address) => [address, [...(byAddress.get(address)?.keys() ?? [])]]),
      ),
  };
}

interface One {
  readonly address: string;
  readonly member: MemberName;
  readonly id: ServiceId;
}

function claim(byAddress: Map<string, Claimants>, { address, member, id }: One): void {
  const claimants: Claimants = byAddress.get(address) ?? new Map();
  byAddress.set(address, claimants);
  const ids = claimants.get(member) ?? new Set();
  claimants.set(member, ids.add(id));
}

function withdraw(byAddress: Map<string, Claimants>, { address, member, id }: One): void {
  const claimants = byAddress.get(address);
  const ids = claimants?.get(member);
  ids?.delete(id);
  if (ids?.size === 0) claimants?.delete(member);
  if (claimants?.size === 0) byAddress.delete(address);
}
