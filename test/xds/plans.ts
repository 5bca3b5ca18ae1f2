// Arbitrary contents of a view, each whole in itself.

import fc from "fast-check";
import { sealResource } from "../../src/xds/encode.ts";
import type { Resource, XdsType } from "../../src/xds/resource.ts";
import type { Body } from "./strict-client.ts";

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

export const clusterNames: readonly string[] = names("c", 5);
const routeNames: readonly string[] = names("r", 3);
export const listenerNames: readonly string[] = names("l", 3);
const secretNames = names("s", 2);

const fault = fc.option(fc.constantFrom("proto" as const, "named" as const), {
  nil: undefined,
  freq: 12,
});
const protoFault = fc.option(fc.constant("proto" as const), { nil: undefined, freq: 12 });
const rev = fc.nat(3);
const picked = (all: readonly string[]): fc.Arbitrary<string[]> => fc.subarray([...all]);

export interface Plan {
  readonly clusters: readonly { readonly name: string; readonly body: Body }[];
  readonly routes: readonly { readonly name: string; readonly body: Body }[];
  readonly listeners: readonly { readonly name: string; readonly body: Body }[];
  readonly endpointRev: number;
}

// References are drawn freely and cut to what exists: each plan is whole in itself.
export const plan: fc.Arbitrary<Plan> = fc
  .record({
    clusters: picked(clusterNames).chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record({ name: fc.constant(name), rev, secrets: picked(secretNames), fault }),
        ),
      ),
    ),
    routes: picked(routeNames).chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record({
            name: fc.constant(name),
            rev,
            clusters: picked(clusterNames),
            fault: protoFault,
          }),
        ),
      ),
    ),
    listeners: picked(listenerNames).chain((list) =>
      fc.tuple(
        ...list.map((name) =>
          fc.record({
            name: fc.constant(name),
            rev,
            clusters: picked(clusterNames),
            routes: picked(routeNames),
            fault,
          }),
        ),
      ),
    ),
    endpointRev: rev,
  })
  .map(({ clusters, routes, listeners, endpointRev }) => {
    const existing = new Set(clusters.map(({ name }) => name));
    const existingRoutes = new Set(routes.map(({ name }) => name));
    const cut = (list: readonly string[], to: ReadonlySet<string>): string[] =>
      list.filter((name) => to.has(name));
    return {
      clusters: clusters.map(({ name, fault: f, ...rest }) => ({ name, body: withFault(rest, f) })),
      routes: routes.map(({ name, clusters: refs, rev: r, fault: f }) => ({
        name,
        body: withFault({ rev: r, clusters: cut(refs, existing) }, f),
      })),
      listeners: listeners.map(({ name, clusters: refs, routes: used, rev: r, fault: f }) => ({
        name,
        body: withFault(
          { rev: r, clusters: cut(refs, existing), routes: cut(used, existingRoutes) },
          f,
        ),
      })),
      endpointRev,
    };
  });

function withFault(body: Body, bad: Body["fault"] | undefined): Body {
  return bad === undefined ? body : { ...body, fault: bad };
}

export function resourcesOf({ clusters, routes, listeners, endpointRev }: Plan): Resource[] {
  const seal = (
    type: XdsType,
    { name, body }: { readonly name: string; readonly body: Body },
  ): Resource => sealResource({ type, name, value: Buffer.from(JSON.stringify(body)) });
  const sealed = clusters.map((cluster) => seal("cluster", cluster));
  const endpoints = sealed.map(({ name, version }) => {
    const value = Buffer.from(JSON.stringify({ rev: endpointRev }));
    return sealResource({ type: "endpoint", name, value, mixVersion: version });
  });
  const secrets = secretNames.map((name) => seal("secret", { name, body: { rev: endpointRev } }));
  return [
    ...sealed,
    ...endpoints,
    ...secrets,
    ...routes.map((route) => seal("route", route)),
    ...listeners.map((listener) => seal("listener", listener)),
  ];
}
