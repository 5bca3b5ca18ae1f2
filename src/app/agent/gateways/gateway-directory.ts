import type { GatewayHost } from "../../../discovery/mesh-service.ts";
import type { GatewayRecord, MemberRecord } from "../../../discovery/shards/records.ts";
import { AddressWatch } from "../../../gateway/io/address-watch.ts";
import type { ProbeReport } from "../../../gateway/io/prober.ts";
import type { ResolveHost } from "../../../gateway/io/resolve-host.ts";
import {
  type GatewayBook,
  hostsIn,
  maxAddressesPerMember,
  nameKey,
  type StatedGateway,
  withProbe,
  withStated,
} from "../../../gateway/remote/gateway-book.ts";
import { complaintOf, type KnownHost } from "../../../gateway/remote/host-answer.ts";
import type { CheckClaim } from "../../../mesh/claim.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";

export interface GatewayDirectoryOptions {
  readonly recordOf: (member: MemberName) => MemberRecord | undefined;
  readonly checkClaim: CheckClaim;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** DNS has news of some name: `update` every member. */
  readonly onResolved: () => void;
  /** Default: as the system resolves. */
  readonly resolve?: ResolveHost;
}

interface Page {
  readonly book: GatewayBook;
  readonly hosts: readonly GatewayHost[];
  /** Why an address is not used; empty: all are. */
  readonly refused: readonly string[];
  readonly surplus: number;
}

/** The gateway addresses of the other members: what records, DNS, the charter and probes make of them. */
export class GatewayDirectory implements Disposable {
  readonly #options: GatewayDirectoryOptions;
  readonly #names: AddressWatch;
  readonly #pages = new Map<MemberName, Page>();

  constructor(options: GatewayDirectoryOptions) {
    this.#options = options;
    const { clock, random, log, resolve, onResolved } = options;
    this.#names = new AddressWatch({
      clock,
      random,
      log,
      onChange: onResolved,
      ...(resolve === undefined ? {} : { resolve }),
    });
  }

  /** Names that nobody states any more are no longer resolved. */
  watch(members: readonly MemberName[]): void {
    this.#names.setHosts(
      members.flatMap((member) => this.#gatewaysOf(member).map(({ host }) => host)),
    );
  }

  /** What the member's record, DNS and the charter say now; true when that is news to proxies. */
  update(member: MemberName): boolean {
    const { stated, refused } = this.#stated(member);
    const names = new Set(
      this.#gatewaysOf(member).map(({ host, port }) => nameKey({ name: host, port })),
    );
    // A new charter judges the addresses of old answers, too.
    const before = this.bookOf(member).filter(({ address }) => this.#mayUse(member, address));
    const book = withStated(before, { stated, names });
    const surplus = Math.max(0, stated.length - maxAddressesPerMember);
    return this.#set(member, { book, refused, surplus });
  }

  /** True when that is news to proxies. */
  probed({ member, address, port, isAlive }: ProbeReport): boolean {
    const page = this.#pages.get(member);
    if (page === undefined) return false;
    return this.#set(member, { ...page, book: withProbe(page.book, { address, port, isAlive }) });
  }

  forget(member: MemberName): void {
    this.#pages.delete(member);
  }

  /** All addresses, also those that proxies are not told of. */
  bookOf(member: MemberName): GatewayBook {
    return this.#pages.get(member)?.book ?? [];
  }

  hostsOf(member: MemberName): readonly GatewayHost[] {
    return this.#pages.get(member)?.hosts ?? [];
  }

  /** What DNS said of a name; undefined for an IP literal. */
  resolutionOf(name: string): KnownHost | undefined {
    return this.#names.known(name);
  }

  findings(): readonly Finding[] {
    return [...this.#pages.keys()].flatMap((member) => [
      ...this.#refusals(member),
      ...this.#complaints(member),
    ]);
  }

  [Symbol.dispose](): void {
    this.#names[Symbol.dispose]();
  }

  #set(member: MemberName, next: Omit<Page, "hosts">): boolean {
    const before = this.hostsOf(member);
    const hosts = hostsIn(next.book);
    this.#pages.set(member, { ...next, hosts });
    return JSON.stringify(before) !== JSON.stringify(hosts);
  }

  /** A name costs two questions a second at worst: no member has more names than addresses. */
  #gatewaysOf(member: MemberName): readonly GatewayRecord[] {
    return (this.#options.recordOf(member)?.gateways ?? []).slice(0, maxAddressesPerMember);
  }

  #stated(member: MemberName): {
    readonly stated: readonly StatedGateway[];
    readonly refused: readonly string[];
  } {
    const stated: StatedGateway[] = [];
    const refused: string[] = [];
    for (const { host: name, port, zone, draining } of this.#gatewaysOf(member)) {
      for (const address of this.#names.addressesOf(name)) {
        const verdict = this.#options.checkClaim(member, { t: "address", address });
        if (verdict.t === "dropped") {
          refused.push(name === address ? verdict.reason : `${name}: ${verdict.reason}`);
          continue;
        }
        stated.push({
          name,
          address,
          port,
          ...(zone === undefined ? {} : { zone }),
          ...(draining === undefined ? {} : { isDraining: true }),
        });
      }
    }
    return { stated, refused };
  }

  #mayUse(member: MemberName, address: string): boolean {
    return this.#options.checkClaim(member, { t: "address", address }).t === "ok";
  }

  #refusals(member: MemberName): readonly Finding[] {
    const [reason] = this.#pages.get(member)?.refused ?? [];
    if (reason === undefined) return [];
    return [
      {
        code: "GATEWAY_ADDRESS_REFUSED",
        severity: "error",
        subject: member,
        message: `a gateway is not used: ${reason}`,
      },
    ];
  }

  #complaints(member: MemberName): readonly Finding[] {
    const nowMs = this.#options.clock.monotonicMs();
    const surplus = this.#pages.get(member)?.surplus ?? 0;
    const tooMany = `${surplus} gateway addresses are not used: a member has ${maxAddressesPerMember} at most`;
    const names = this.#gatewaysOf(member).map(({ host }) => host);
    const complaints = [...new Set(names)].flatMap((name) => {
      const known = this.#names.known(name);
      const complaint = known === undefined ? undefined : complaintOf(known, nowMs);
      return complaint === undefined ? [] : [`its gateway name "${name}": ${complaint}`];
    });
    return [...complaints, ...(surplus > 0 ? [tooMany] : [])].map(
      (message): Finding => ({
        code: "GATEWAY_NAME_UNSOUND",
        severity: "warning",
        subject: member,
        message,
      }),
    );
  }
}
