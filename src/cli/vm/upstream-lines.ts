import type { SidecarUpstream } from "../../app/config/config.ts";
import { isNamed } from "../../app/vm/names/upstream-zone.ts";
import { formatHostPort } from "../../mesh/address.ts";
import { nameOf, namespaceOf } from "../../mesh/ids.ts";

/** `127.0.0.1:15101 → cart.shop:80`, one line for each; and by which name it is dialled, where it has one. */
export function upstreamLines(upstreams: readonly SidecarUpstream[]): string {
  const named = new Set(upstreams.filter(isNamed).map(keyOf));
  const numbered = upstreams.filter((one) => !isNamed(one));
  const only = upstreams.filter(
    (one) => isNamed(one) && !numbered.some((other) => keyOf(other) === keyOf(one)),
  );
  const rows = [...numbered, ...only].map((one) => {
    const { service, port, listen } = one;
    const short = `${nameOf(service)}.${namespaceOf(service)}`;
    const name = named.has(keyOf(one)) ? `  ${short}.svc.cluster.local:${port}` : "";
    return { where: formatHostPort(listen), what: `${short}:${port}`, name };
  });
  const width = (pick: (row: (typeof rows)[number]) => string): number =>
    Math.max(0, ...rows.map((row) => pick(row).length));
  const [left, middle] = [width(({ where }) => where), width(({ what }) => what)];
  return rows
    .map(({ where, what, name }) =>
      `${where.padEnd(left)} → ${what.padEnd(middle)}${name}`.trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function keyOf({ service, port }: SidecarUpstream): string {
  return `${service}:${port}`;
}
