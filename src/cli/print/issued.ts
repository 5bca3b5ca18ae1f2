import type { Arguments, Option, Terminal } from "../command.ts";
import { jsonOption } from "../command.ts";

/** Of both commands that issue an SVID. */
export const svidOptions: Readonly<Record<"dir" | "out" | "json", Option>> = {
  dir: { type: "string", hint: "E", about: "the member's folder", required: true },
  out: { type: "string", hint: "F", about: "an empty or new folder", required: true },
  ...jsonOption,
};

export function printSvid(
  made: { readonly id: string; readonly dir: string; readonly notAfterMs: number },
  where: { readonly args: Arguments; readonly terminal: Terminal },
): void {
  if (where.args.has("json")) {
    where.terminal.out(`${JSON.stringify(made, null, 2)}\n`);
    return;
  }
  const until = new Date(made.notAfterMs).toISOString().slice(0, 16);
  where.terminal.out(
    `Issued ${made.id} into ${made.dir}, valid until ${until}Z\n` +
      "  its launcher renews it from then on\n",
  );
}
