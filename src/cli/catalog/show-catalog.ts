import type { CatalogView } from "../../app/hub/catalog/catalog-view.ts";
import { readCatalog } from "../../app/hub/catalog/open-catalog.ts";
import { readTarget } from "../../app/hub/hub-target.ts";
import { type Arguments, exitCodes, type Terminal } from "../command.ts";
import { hubWords } from "../hub/hub-options.ts";
import { catalogJson } from "../print/catalog-json.ts";
import { printJson } from "../print/print-json.ts";
import { printProblems } from "../print/print-problems.ts";

/** What `catalog dump` and `catalog verify` have in common: they read the same, and show it differently. */
export async function showCatalog(
  { args, terminal }: { readonly args: Arguments; readonly terminal: Terminal },
  how: {
    /** Whether the records are wanted, too. */
    readonly withContent: boolean;
    readonly page: (view: CatalogView, terminal: Terminal) => string;
    readonly exitCodeOf: (view: CatalogView) => number;
  },
): Promise<number> {
  const read = await readTarget(hubWords(args));
  if (read.t === "misconfigured") {
    printProblems(read, terminal);
    return exitCodes.config;
  }
  const { withContent } = how;
  const view = await readCatalog(read.target, { members: args.positionals, withContent });
  if (args.has("json")) printJson(catalogJson(view), terminal);
  else terminal.out(how.page(view, terminal));
  return how.exitCodeOf(view);
}
