import { parseIpRange } from "../../mesh/address.ts";
import { parseServiceId, type ServiceId } from "../../mesh/ids.ts";
import {
  asMap,
  fieldOf,
  type JsonMap,
  listIn,
  mapIn,
  numberIn,
  textIn,
} from "../../mesh/json-map.ts";
import { readClaims } from "../charter-codec.ts";
import type { JoinGrant, JoinTokenRecord, JoinTokenUse } from "./join-grant.ts";
import { parseJoinTokenId } from "./join-token.ts";

/** How a token lies on disk. */
export function formatRecord(record: JoinTokenRecord): string {
  return `${JSON.stringify({ schema: 1, ...record }, null, 2)}\n`;
}

/** Throws MeshError or RangeError on a text that nobody of us wrote. */
export function parseRecord(text: string): JoinTokenRecord {
  const map = mapOf(text);
  if (fieldOf(map, "schema") !== 1) throw new RangeError("its schema is not 1");
  const record = {
    id: parseJoinTokenId(textAt(map, "id")),
    secretSha256: digestAt(map, "secretSha256"),
    grant: grantIn(map),
    createdAtMs: countAt(map, "createdAtMs"),
    expiresAtMs: countAt(map, "expiresAtMs"),
    uses: countAt(map, "uses"),
    from: textsAt(map, "from"),
  };
  for (const range of record.from) parseIpRange(range);
  return record;
}

export function formatUse(use: JoinTokenUse): string {
  return `${JSON.stringify(use)}\n`;
}

/** Throws RangeError. */
export function parseUse(text: string): JoinTokenUse {
  const map = mapOf(text);
  return {
    atMs: countAt(map, "atMs"),
    address: textAt(map, "address"),
    keySha256: digestAt(map, "keySha256"),
  };
}

function grantIn(map: JsonMap): JoinGrant {
  const grant = mapIn(map, "grant") ?? {};
  switch (fieldOf(grant, "t")) {
    case "member":
      return { t: "member", claims: readClaims(fieldOf(grant, "claims")) };
    case "vm":
      return {
        t: "vm",
        group: parseServiceId(textAt(grant, "group")),
        services: textsAt(grant, "services").map((text): ServiceId => parseServiceId(text)),
      };
    default:
      throw new RangeError("it is for neither a member nor a VM");
  }
}

function mapOf(text: string): JsonMap {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError("it is not JSON", { cause });
  }
  const map = asMap(value);
  if (map === undefined) throw new RangeError("it is no object");
  return map;
}

function textAt(map: JsonMap, name: string): string {
  const text = textIn(map, name);
  if (text === undefined) throw new RangeError(`"${name}" is not a text`);
  return text;
}

function digestAt(map: JsonMap, name: string): string {
  const text = textAt(map, name);
  if (!/^[0-9a-f]{64}$/.test(text)) throw new RangeError(`"${name}" is not a SHA-256 digest`);
  return text;
}

function countAt(map: JsonMap, name: string): number {
  const number = numberIn(map, name);
  if (number === undefined || !Number.isSafeInteger(number) || number < 1) {
    throw new RangeError(`"${name}" is not a positive integer`);
  }
  return number;
}

function textsAt(map: JsonMap, name: string): readonly string[] {
  const list = listIn(map, name);
  if (list === undefined) throw new RangeError(`"${name}" is not a list`);
  return list.map((text) => {
    if (typeof text !== "string") throw new RangeError(`"${name}" is not a list of texts`);
    return text;
  });
}
