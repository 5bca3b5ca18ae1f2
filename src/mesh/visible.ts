// Controls steer terminals, format characters reorder or hide what is read: both come out as escapes.
// Lone surrogates and line separators go the same way.
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const defaultMaxLength = 200;

/** Text of somebody else, harmless on a terminal and bounded; `\u{1b}` for what cannot be shown. */
export function visible(text: string, maxLength: number = defaultMaxLength): string {
  const shown = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return shown.replaceAll(unprintable, escapeOf);
}

/** JSON that is as harmless on a terminal, and the same to programs; `indent` 0: on one line. */
export function visibleJson(value: unknown, indent = 2): string {
  // Outside strings such characters cannot stand; the line breaks of the layout are ours.
  return JSON.stringify(value, null, indent).replaceAll(unprintable, (found) =>
    found === "\n" ? found : unitsOf(found),
  );
}

function escapeOf(found: string): string {
  return `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`;
}

/** JSON knows UTF-16 units only. */
function unitsOf(found: string): string {
  return Array.from(
    { length: found.length },
    (_, index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, "0")}`,
  ).join("");
}
