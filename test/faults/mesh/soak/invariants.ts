import type { EndpointsAnswer, ProxyAnswer, ServiceAnswer } from "../../../../src/app/api-model.ts";
import { type Region, regionNames } from "../../../support/regions/regions.ts";
import { gatewayNames, services, workloadsOf } from "../plan.ts";

/** What one agent says at one time. */
export interface AgentView {
  readonly region: Region;
  /** Absent: it does not answer, or does not serve yet; neither breaks anything. */
  readonly known?: {
    readonly services: readonly ServiceAnswer[];
    /** Of every port of every service. */
    readonly endpoints: readonly EndpointsAnswer[];
    readonly proxies: readonly ProxyAnswer[];
  };
}

/** What may never be, whatever has struck. */
export function violationsIn(views: readonly AgentView[]): readonly string[] {
  return views.flatMap(({ region, known }) =>
    known === undefined
      ? []
      : [...missingIn(region, known.services), ...doubledIn(region, known.endpoints)],
  );
}

/** Nobody has withdrawn anything: what is not there was removed by silence, or lost. */
function missingIn(reader: Region, known: readonly ServiceAnswer[]): readonly string[] {
  return services.flatMap(({ name, regions }) => {
    const service = known.find((one) => one.service === `shop/${name}`);
    const owners = regions.filter((region) => region !== reader);
    return owners.flatMap((owner) => {
      const remote = service?.remotes.find(({ member }) => member === owner);
      const wanted = workloadsOf(owner).length;
      return remote?.total === wanted
        ? []
        : [`${reader} knows ${remote?.total ?? 0} of ${wanted} workloads of ${name} in ${owner}`];
    });
  });
}

function doubledIn(reader: Region, known: readonly EndpointsAnswer[]): readonly string[] {
  return known.flatMap(({ host, endpoints }) => {
    const gateways = endpoints.filter(({ via }) => via === "gateway").map(({ address }) => address);
    const doubled = gateways.filter((address, index) => gateways.indexOf(address) !== index);
    return doubled.map((address) => `${reader} has ${address} twice for ${host}`);
  });
}

/** What connected proxies have not acknowledged; empty soon after all is quiet. */
export function unacknowledgedIn(views: readonly AgentView[]): readonly string[] {
  return views.flatMap(({ region, known }) =>
    (known?.proxies ?? []).flatMap(({ node, types }) =>
      types
        .filter(({ unanswered, refused }) => unanswered > 0 || refused > 0)
        .map(({ type }) => `${node} of ${region} has not taken a ${type}`),
    ),
  );
}

/** Who is not connected, or not usable, that runs; empty some time after all is quiet. */
export function absentIn(views: readonly AgentView[]): readonly string[] {
  const silent = regionNames.filter(
    (name) => views.find(({ region }) => region === name)?.known === undefined,
  );
  const few = views.flatMap(({ region, known }) => {
    const wanted = gatewayNames().length + workloadsOf(region).length + 1;
    const there = known?.proxies.length ?? wanted;
    return there >= wanted ? [] : [`${there} of ${wanted} proxies of ${region} are connected`];
  });
  return [...silent.map((region) => `the agent of ${region} does not answer`), ...few];
}

// Less than this is how a garbage collector breathes.
const allowedGrowth = 0.25;
const allowedBytes = 30 * 2 ** 20;
const leastSamples = 12;

/** Parts whose memory grew from the second quarter of the run to the last; too short a run says nothing. */
export function growthIn(rss: ReadonlyMap<string, readonly number[]>): readonly string[] {
  return [...rss].flatMap(([part, bytes]) => {
    if (bytes.length < leastSamples) return [];
    const quarter = Math.floor(bytes.length / 4);
    const early = meanOf(bytes.slice(quarter, 2 * quarter));
    const late = meanOf(bytes.slice(-quarter));
    const hasGrown = late > early * (1 + allowedGrowth) + allowedBytes;
    return hasGrown ? [`${part} grew from ${mebibytes(early)} to ${mebibytes(late)} MiB`] : [];
  });
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
