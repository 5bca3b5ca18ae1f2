import type { importTheRoot } from "../../app/federation/import-tasks.ts";

type Imported = Awaited<ReturnType<typeof importTheRoot>>;

/** What was imported, for people. */
export function importedText(what: string, made: Imported): string {
  const until = new Date(made.notAfterMs).toISOString().slice(0, 10);
  const exception =
    made.exception === undefined
      ? ""
      : `  its root is not bound to the mesh, and the charter says why it is there: ${made.exception}\n`;
  return `Imported the ${what} into ${made.dir}, valid until ${until}; charter ${made.number}\n${exception}`;
}
