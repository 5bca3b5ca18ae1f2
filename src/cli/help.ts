import type { Command } from "./command.ts";
import type { CommandEntry } from "./commands.ts";

/** The overview, or that of one group such as `trust`. */
export function overview(commands: readonly CommandEntry[], group?: string): string {
  const listed = commands.filter(
    ({ name, isHidden }) =>
      isHidden !== true && (group === undefined || name.startsWith(`${group} `)),
  );
  const width = Math.max(...listed.map(({ name }) => name.length));
  const head =
    group === undefined
      ? "isthmus: one service mesh out of many clusters, clouds and VM sites\n"
      : `isthmus ${group}\n`;
  const rows = listed.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  const tail = "\nisthmus COMMAND --help says more about each.";
  return `${head}\n${rows.join("\n")}\n${tail}\n`;
}

export function helpOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, option]) => {
    const short = option.short === undefined ? "" : `-${option.short}, `;
    const hint = option.hint === undefined ? "" : ` ${option.hint}`;
    const notes = [option.required ? "required" : "", option.multiple ? "may repeat" : ""];
    const shown = notes.filter((note) => note !== "").join(", ");
    return {
      form: `${short}--${name}${hint}`,
      about: shown === "" ? option.about : `${option.about} (${shown})`,
    };
  });
  const rows = [...options, { form: "--help", about: "print this" }];
  const width = Math.max(...rows.map(({ form }) => form.length));
  const table = rows.map(({ form, about }) => `  ${form.padEnd(width)}  ${about}`).join("\n");
  const form = `isthmus ${command.name} ${command.usage}`.trimEnd();
  return `Usage: ${form}\n\n${command.about.trim()}\n\nOptions:\n${table}\n`;
}
