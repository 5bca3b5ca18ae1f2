import assert from "node:assert/strict";

/** The first block of shell commands under a heading of a page. */
export function commandsUnder(heading: string, page: string): string {
  const [, section = ""] = page.split(`${heading}\n`);
  const [, commands] = /^```sh\n(.*?)^```$/ms.exec(section) ?? [];
  assert.ok(commands !== undefined, `the page has commands under "${heading}"`);
  return commands;
}
