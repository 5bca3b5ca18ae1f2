import type { Command } from "./command.ts";
import type { CommandEntry, CommandSection } from "./commands.ts";

/** All commands, by what one wants to do. */
export function overview(sections: readonly CommandSection[]): string {
  const shown = sections.map(({ title, commands }) => ({
    title,
    listed: commands.filter(isShown),
  }));
  const width = widthOf(shown.flatMap(({ listed }) => listed));
  const parts = shown.map(({ title, listed }) => `${title}\n${rowsOf(listed, width)}`);
  return `isthmus: one service mesh out of many clusters, clouds and VM sites\n\n${parts.join("\n\n")}\n${tail}`;
}

/** Those of one group, such as `trust`. */
export function groupOverview(group: string, commands: readonly CommandEntry[]): string {
  const listed = commands.filter((entry) => isShown(entry) && entry.name.startsWith(`${group} `));
  return `isthmus ${group}\n\n${rowsOf(listed, widthOf(listed))}\n${tail}`;
}

const tail = "\nisthmus COMMAND --help says more about each.\n";

function isShown({ isHidden }: CommandEntry): boolean {
  return isHidden !== true;
}

function widthOf(listed: readonly CommandEntry[]): number {
  return Math.max(...listed.map(({ name }) => name.length));
}

function rowsOf(listed: readonly CommandEntry[], width: number): string {
  return listed.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join("\n");
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
