import {
  createProxyEvidence,
  type Passage,
  type PassageKey,
  type ProxyEvidence,
} from "../../../discovery/members/proxy-evidence.ts";
import type { MeshService } from "../../../discovery/mesh-service.ts";
import type { MemberName, ServiceId } from "../../../mesh/ids.ts";
import { targetOfEnvoyCluster } from "../../../mesh/names.ts";
import type { Clock } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { LoadReporter } from "../../../proxy/io/load-service.ts";
import type { ProxyNode } from "../../../proxy/node.ts";
import { connectedIn, connectFailuresIn, loadField } from "../../../telemetry/load/fields.ts";
import { LoadBook, type LoadKey, type LoadSeries } from "../../../telemetry/load/load-book.ts";
import type { ReportedLoad } from "../../../xds/load-report.ts";
import { type Place, placeIn, unknownZone } from "./load-place.ts";
import { reportClock } from "./report-clock.ts";

export interface LoadIntakeOptions {
  readonly self: MemberName;
  readonly clock: Clock;
  /** As proxies of this member see it; others are not theirs to report. */
  readonly service: (id: ServiceId) => MeshService | undefined;
  /** Proxies hear from that member. */
  readonly onHeard: (member: MemberName) => void;
  /** Whether that service of that member is used is no longer what it was. */
  readonly onPassage: (key: PassageKey) => void;
}

/** Who reports on one stream. */
interface Reporter {
  readonly by: LoadKey["by"];
  /** Its reports count bytes, so nothing else says that a member was heard. */
  readonly tellsBytes: boolean;
  readonly witness: string;
  /** By row; only rows with something open. */
  readonly active: Map<string, { readonly series: LoadSeries; readonly count: number }>;
}

// More rows that are not zero than one proxy has, and than all of them have; what is open beyond them is
// not shown. A row takes some 300 bytes.
const maxActiveRows = 8192;
const maxActiveRowsInAll = 131_072;
// Names of Envoy clusters met so far: a mesh has some thousand.
const maxNames = 20_000;
const secondMs = 1000;

/** Takes the load reports of this member's proxies into the load book and, as evidence, into verdicts. */
export class LoadIntake {
  readonly book: LoadBook = new LoadBook();
  readonly #options: LoadIntakeOptions;
  readonly #evidence: ProxyEvidence = createProxyEvidence();
  readonly #targets = new Map<string, ServiceId>();
  /** By what the zone and role say, for as long as the service is as it is. */
  readonly #places = new WeakMap<MeshService, Map<string, Place>>();
  #activeRows = 0;
  #reports = 0;
  #strange = 0;

  constructor(options: LoadIntakeOptions) {
    this.#options = options;
  }

  /** Reports taken and rows left out since they are of no service that the proxy may use. */
  counts(): { readonly reports: number; readonly strange: number } {
    return { reports: this.#reports, strange: this.#strange };
  }

  passageOf(service: ServiceId, member: MemberName): Passage {
    return this.#evidence.passageOf({ service, member });
  }

  /** `witness` names whoever is proven to report; what the node says of itself is not proven. */
  open(node: ProxyNode, witness: string): LoadReporter {
    const active: Reporter["active"] = new Map();
    const seconds = reportClock();
    // Nothing else of a node is kept: a stranger's may be long.
    const from: Reporter = {
      by: node.t === "gateway" ? "gateway" : "sidecar",
      // Of a member's HTTP an Envoy knows the answers, of its bytes mostly only those of all members. Our
      // engine's connections end well without any answer.
      tellsBytes: node.t !== "grpc" && node.engine === "embedded",
      witness,
      active,
    };
    return {
      take: (loads) => {
        this.#reports += 1;
        const now = this.#second();
        this.book.advance(now);
        const second = seconds.secondOf(now);
        for (const load of loads) this.#take(load, from, second);
      },
      close: () => {
        for (const { series, count } of active.values()) this.book.addActive(series, -count);
        this.#activeRows -= active.size;
        active.clear();
      },
    };
  }

  /** Once a second. */
  tick(): void {
    this.book.advance(this.#second());
    for (const key of this.#evidence.tick(this.#options.clock.monotonicMs())) {
      this.#options.onPassage(key);
    }
  }

  forget(member: MemberName): void {
    this.#evidence.forget(member);
  }

  findings(): readonly Finding[] {
    return this.#evidence.blocked().map(({ service, member }) => ({
      code: "PROXY_NO_PASSAGE",
      severity: "warning",
      subject: service,
      message: `no sidecar here gets a connection to it in ${member}; while others can serve it, they do`,
    }));
  }

  #second(): number {
    return Math.floor(this.#options.clock.monotonicMs() / secondMs);
  }

  #take(load: ReportedLoad, from: Reporter, second: number): void {
    const place = this.#placeOf(load, from.by);
    if (place === undefined) return;
    const series = this.book.series(place.key);
    if (series === undefined) return;
    this.book.add(series, load.row, second);
    this.#setActive(load, { series, active: from.active, key: place.key });
    // A gateway forwards what others begin, and only to workloads of its own member.
    if (place.remote !== undefined && from.by !== "gateway") {
      this.#testify(load, { ...place, member: place.remote, from });
    }
  }

  /** Each row of a proxy says how many are open now; the book holds the sum over all. */
  #setActive(
    { envoyCluster, priority, row }: ReportedLoad,
    at: {
      readonly series: LoadSeries;
      readonly key: LoadKey;
      readonly active: Reporter["active"];
    },
  ): void {
    // Of names that were checked, as the ones in the report may be of any length.
    const name = `${envoyCluster}\n${at.key.member}/${at.key.zone}\n${priority}`;
    const count = row[loadField.active] ?? 0;
    const known = at.active.get(name);
    if (known !== undefined && known.series !== at.series) {
      this.book.addActive(known.series, -known.count);
      at.active.delete(name);
      this.#activeRows -= 1;
    }
    const before = at.active.get(name)?.count ?? 0;
    const isFull = at.active.size >= maxActiveRows || this.#activeRows >= maxActiveRowsInAll;
    if (before === 0 && isFull) return;
    if (count === 0) at.active.delete(name);
    else at.active.set(name, { series: at.series, count });
    this.#activeRows += Math.sign(count) - Math.sign(before);
    if (count !== before) this.book.addActive(at.series, count - before);
  }

  #testify(
    { row, isShare = false }: ReportedLoad,
    about: {
      readonly service: ServiceId;
      readonly member: MemberName;
      readonly from: Reporter;
    },
  ): void {
    const { service, member, from } = about;
    const nowMs = this.#options.clock.monotonicMs();
    const isAnswered = !from.tellsBytes && (row[loadField.ok] ?? 0) > 0;
    const hasHeard = isAnswered || (!isShare && (row[loadField.bytesIn] ?? 0) > 0);
    const passing = {
      service,
      member,
      voter: from.witness,
      hasHeard,
      hasConnected: connectedIn(row) > 0,
      hasFailed: connectFailuresIn(row) > 0,
    };
    if (!hasHeard && !passing.hasConnected && !passing.hasFailed) return;
    if (this.#evidence.note(passing, nowMs)) this.#options.onPassage({ service, member });
    if (hasHeard && this.#evidence.isHeard(member, nowMs)) this.#options.onHeard(member);
  }

  #placeOf(load: ReportedLoad, by: LoadKey["by"]): Place | undefined {
    const id = this.#targetOf(load.envoyCluster);
    // The agent's own cluster, an application behind its sidecar: nobody asked for those.
    if (id === undefined) return undefined;
    const service = this.#options.service(id);
    if (service === undefined) {
      this.#strange += 1;
      return undefined;
    }
    const places = this.#places.get(service) ?? new Map<string, Place>();
    this.#places.set(service, places);
    const name = `${by} ${load.zone ?? ""}`;
    const known = places.get(name);
    if (known !== undefined) return known;
    const place = placeIn(service, { zone: load.zone, by, self: this.#options.self });
    if (place === undefined) this.#strange += 1;
    // A proxy may think up zones without end.
    else if (place.key.zone !== unknownZone) places.set(name, place);
    return place;
  }

  #targetOf(envoyCluster: string): ServiceId | undefined {
    const known = this.#targets.get(envoyCluster);
    if (known !== undefined) return known;
    const id = targetOfEnvoyCluster(envoyCluster)?.service;
    if (this.#targets.size >= maxNames) this.#targets.clear();
    if (id !== undefined) this.#targets.set(envoyCluster, id);
    return id;
  }
}
