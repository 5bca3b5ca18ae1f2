import type { CatalogView } from "../../app/hub/catalog/catalog-view.ts";
import { type Command, exitCodes, type Terminal } from "../command.ts";
import { hubOptions } from "../hub/hub-options.ts";
import { findingLines } from "../print/finding-lines.ts";
import { counted } from "../print/phrases.ts";
import { painted } from "../print/table.ts";
import { exitCodeOf as reachability } from "./dump.ts";
import { showCatalog } from "./show-catalog.ts";

export const catalogVerify: Command = {
  name: "catalog verify",
  usage: "[MEMBER…] (--config F | --url URL --trust DIR [LOGIN]) [--json]",
  about:
    "Judges what each hub holds as an agent does: is each head signed by its member for this purpose and mesh, do\n" +
    "the records fit its digest, may the member claim what they say, do the hubs agree. Says which record or\n" +
    "member does not, and what to do. Exit code 1 when anything does not verify, 69 when a hub does\n" +
    "not answer.",
  options: hubOptions,
  positionals: { min: 0, max: 100 },
  run: (args, terminal) =>
    showCatalog({ args, terminal }, { withContent: false, page, exitCodeOf }),
};

function exitCodeOf(view: CatalogView): number {
  const isBroken = view.findings.some(
    ({ severity, code }) => severity === "error" && code !== "HUB_UNREACHABLE",
  );
  if (isBroken) return exitCodes.failed;
  const isAnyAway = view.findings.some(({ code }) => code === "HUB_UNREACHABLE");
  return isAnyAway ? exitCodes.unreachable : reachability(view);
}

function page(view: CatalogView, terminal: Terminal): string {
  const { hubs, findings } = view;
  const shards = hubs.flatMap((hub) => hub.shards).filter(({ state }) => state !== "absent");
  const good = shards.filter(({ state }) => state === "fits").length;
  const records = shards.reduce((sum, shard) => sum + shard.records, 0);
  if (shards.length === 0)
    return `${findingLines(findings, terminal)}there is no shard to verify\n`;
  const text = `${good} of ${counted(shards.length, "shard")} verify, ${counted(records, "record")} in ${hubsOf(view)}`;
  const isGood = good === shards.length;
  const sum = painted({ text, tone: isGood ? "good" : "bad" }, terminal);
  return `${findingLines(findings, terminal)}${sum}\n`;
}

/** `2 hubs`, `1 of 2 hubs` where one does not answer. */
function hubsOf({ hubs }: CatalogView): string {
  const read = hubs.filter(({ failure }) => failure === undefined).length;
  return `${read === hubs.length ? "" : `${read} of `}${counted(hubs.length, "hub")}`;
}
