import type { FastifyRequest } from "fastify";

/** A header that no form and no link of a browser can send; a script elsewhere would have to ask first. */
export const changeHeader = "isthmus-change";

// Browsers tell on themselves, and so do proxies that speak for somebody on another machine.
const foreignHeaders = [
  "origin",
  "referer",
  "sec-fetch-site",
  "forwarded",
  "x-forwarded-for",
  "via",
];

/**
 * Why a request may not change anything, however the port is reached; undefined: it may. There is no login:
 * whoever is on this machine may change what its agent does, a page in a browser here may not.
 */
export function changeRefusal(
  request: Pick<FastifyRequest, "headers"> & { readonly remoteAddress: string | undefined },
): string | undefined {
  const { headers, remoteAddress = "" } = request;
  if (!/^(?:::ffff:)?127\.|^::1$/.test(remoteAddress)) {
    return "changes are taken from this machine only; run the command where the agent runs";
  }
  const foreign = foreignHeaders.find((name) => headers[name] !== undefined);
  if (foreign !== undefined)
    return `changes are not taken through a browser or a proxy (${foreign})`;
  if (headers[changeHeader] === undefined) return `a change needs the header ${changeHeader}`;
  return undefined;
}
