import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { codeOf, MeshError, reasonOf } from "../mesh/errors.ts";

/**
 * Takes a folder for this process until it is disposed of, or the process ends, however that comes: by a name that
 * Linux gives to one process of a network namespace at a time. It is made of the folder itself, so that two paths to
 * it are one. Other systems have no such names: there nobody is kept out. Throws MESH_FOLDER_IN_USE; `remedy` says
 * what to do then.
 */
export async function holdFolder(dir: string, remedy: string): Promise<AsyncDisposable> {
  if (process.platform !== "linux") return { [Symbol.asyncDispose]: async () => undefined };
  const { dev, ino } = await stat(dir);
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed);
      server.listen({ path: `\0isthmus-folder-${dev}-${ino}` }, done);
    });
  } catch (cause) {
    const isTaken = codeOf(cause) === "EADDRINUSE";
    const truth = isTaken ? `another process of isthmus works with it; ${remedy}` : reasonOf(cause);
    // The name that is taken says nothing to people.
    const because = isTaken ? {} : { cause };
    throw new MeshError("MESH_FOLDER_IN_USE", `Cannot use folder "${dir}": ${truth}`, because);
  }
  server.unref();
  return {
    [Symbol.asyncDispose]: () => new Promise((done) => void server.close(() => done())),
  };
}
