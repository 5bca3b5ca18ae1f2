import type { Resource, XdsType } from "../../src/xds/resource.ts";
import { xdsTypes } from "../../src/xds/resource.ts";
import { type View, viewed, viewedAll } from "../../src/xds/view.ts";

/** All of these types that a proxy would be told, routes included: those are made for who asks. */
export function toldIn(view: View, types: readonly XdsType[] = xdsTypes): Resource[] {
  for (const { name } of viewedAll(view, "cluster")) viewed(view, { type: "route", name });
  return types.flatMap((type) => [...viewedAll(view, type)]);
}
