import type { CatalogView, HubShard, HubView } from "../../app/hub/catalog/catalog-view.ts";
import { visible } from "../../mesh/visible.ts";
import { type Command, exitCodes, type Terminal } from "../command.ts";
import { hubOptions } from "../hub/hub-options.ts";
import { recordLine } from "../print/catalog-records.ts";
import { bytesOf, counted, spanOf } from "../print/phrases.ts";
import { type Cell, type Column, painted, table } from "../print/table.ts";
import { showCatalog } from "./show-catalog.ts";

const columns: readonly Column[] = [
  { title: "MEMBER", isElastic: true },
  { title: "STATE" },
  { title: "EPOCH", align: "right" },
  { title: "SEQ", align: "right" },
  { title: "BEAT", align: "right" },
  { title: "AGE", align: "right" },
  { title: "RECORDS", align: "right" },
  { title: "BYTES", align: "right" },
  { title: "SIGNER", isOptional: true },
  { title: "WRITER", isElastic: true, isOptional: true },
];

export const catalogDump: Command = {
  name: "catalog dump",
  usage: "[MEMBER…] (--config F | --url URL --trust DIR [LOGIN]) [--json]",
  about:
    "Shows what each hub holds of each member: epoch, seq, beat, age of the last beat, records, bytes, who signed\n" +
    "it, and whether an agent would take it. With MEMBER also its records. Only reads.\n" +
    "STATE fits: agents take it over; partly: they drop some claims; unfit, refused: they keep what they have\n" +
    "(isthmus catalog verify says why); absent: the hub holds nothing.",
  options: hubOptions,
  positionals: { min: 0, max: 100 },
  run: (args, terminal) =>
    showCatalog({ args, terminal }, { withContent: args.positionals.length > 0, page, exitCodeOf }),
};

/** One hub that answers is enough to show something. */
export function exitCodeOf({ hubs }: CatalogView): number {
  return hubs.every(({ failure }) => failure !== undefined)
    ? exitCodes.unreachable
    : exitCodes.done;
}

function page({ charter, hubs }: CatalogView, terminal: Terminal): string {
  const head = `${charter.mesh}, charter ${charter.number}, ${counted(charter.members.length, "member")}\n`;
  return `${head}${hubs.map((hub) => `\n${hubPage(hub, terminal)}`).join("")}`;
}

function hubPage({ hub, failure, charters, shards }: HubView, terminal: Terminal): string {
  if (failure !== undefined) {
    return `${hub}: ${painted({ text: visible(failure, 400), tone: "bad" }, terminal)}\n`;
  }
  const known = charters.length === 0 ? "no charter" : `charter ${charters.join(", ")}`;
  const head = `${hub}  ${painted({ text: known, tone: "quiet" }, terminal)}\n`;
  const records = shards.flatMap((shard) => recordsOf(shard)).join("");
  return `${head}${table(columns, shards.map(row), terminal)}${records}`;
}

function row(shard: HubShard): readonly (Cell | string)[] {
  const { head, signer } = shard;
  const name = shard.standing === "active" ? shard.member : `${shard.member} (${shard.standing})`;
  if (head === undefined) return [name, stateCell(shard), "-", "-", "-", "-", "-", "-", "-", "-"];
  return [
    name,
    stateCell(shard),
    String(head.epoch),
    String(head.seq),
    String(head.beat),
    ageCell(shard),
    String(shard.records),
    bytesOf(shard.bytes),
    signer?.sha256.slice(0, 12) ?? "-",
    visible(head.owner.host, 40),
  ];
}

const tones: Readonly<Record<HubShard["state"], Cell["tone"] & {}>> = {
  fits: "good",
  partly: "warn",
  refused: "bad",
  unfit: "bad",
  absent: "warn",
};

function stateCell({ state }: HubShard): Cell {
  return { text: state, tone: tones[state] };
}

/** By the writer's clock against the one here. */
function ageCell({ head, ageMs }: HubShard): Cell {
  if (head === undefined || ageMs === undefined) return { text: "-" };
  const isLate = ageMs > head.leaseMs;
  return { text: ageMs < 0 ? "future" : spanOf(ageMs), tone: isLate ? "warn" : "plain" };
}

function recordsOf({ member, content }: HubShard): readonly string[] {
  if (content === undefined) return [];
  const keys = [...content.keys()].sort();
  return [
    `\n${member}\n`,
    ...keys.map((key) => recordLine(key, content.get(key) ?? new Uint8Array())),
  ];
}
