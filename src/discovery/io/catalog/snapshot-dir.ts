import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import type { Log } from "../../../mesh/ports.ts";
import { integerIn, listIn, objectIn, textIn } from "../../shards/json-fields.ts";
import type { ShardCopy, SnapshotStore, WriterMemory } from "../../shards/snapshot-store.ts";

/** Some larger than the largest shard that a reader takes, in base64. */
const maxFileBytes = 134_217_728;
const maxRecords = 100_000;

/** Copies in a folder of its own: one file per member, replaced whole, unreadable to others. */
export async function openSnapshotDir(dir: string, log: Log): Promise<SnapshotStore> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot make folder "${dir}"`, { cause });
  }
  const shardFile = (member: MemberName): string => join(dir, `${member}.shard.json`);
  const writerFile = join(dir, "writer.json");

  /** What cannot be read is as good as absent: hubs and owners have it all. */
  const read = async <Result>(
    file: string,
    decode: (value: unknown) => Result,
  ): Promise<Result | undefined> => {
    try {
      const { size } = await stat(file);
      if (size > maxFileBytes) throw new RangeError(`it has ${size} bytes`);
      return decode(JSON.parse(await readFile(file, "utf8")));
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT")
        log.warn({ file, reason: reasonOf(thrown) }, "Cannot read a copy");
      return undefined;
    }
  };

  return {
    load: (member) => read(shardFile(member), decodeShard),
    save: (member, copy) => save(shardFile(member), encodeShard(copy)),
    remove: (member) => rm(shardFile(member), { force: true }),
    loadWriter: () => read(writerFile, decodeWriter),
    saveWriter: (memory) => save(writerFile, JSON.stringify(memory)),
  };
}

/** Nobody else on this machine has to know who is in the mesh. */
function save(file: string, text: string): Promise<void> {
  return replaceFile(file, { text, mode: 0o600 });
}

function encodeShard(copy: ShardCopy): string {
  const { head, records } = copy;
  return JSON.stringify({
    head: base64(head.bytes),
    signature: base64(head.signature.bytes),
    chain: head.signature.chain.map(base64),
    records: [...records].map(([key, bytes]) => [key, base64(bytes)]),
  });
}

function decodeShard(value: unknown): ShardCopy {
  const fields = objectIn(value, "copy");
  const text = (name: string): Uint8Array => bytesFrom(textIn(fields, name, { max: 65_536 }));
  return {
    head: {
      bytes: text("head"),
      signature: {
        bytes: text("signature"),
        chain: listIn(fields, "chain", { max: 8, read: bytesFrom }),
      },
    },
    records: new Map(listIn(fields, "records", { max: maxRecords, read: recordFrom })),
  };
}

function recordFrom(value: unknown): [string, Uint8Array] {
  const [key, bytes]: unknown[] = Array.isArray(value) ? value : [];
  if (typeof key !== "string") throw new RangeError("a record has no key");
  return [key, bytesFrom(bytes)];
}

function decodeWriter(value: unknown): WriterMemory {
  const fields = objectIn(value, "writer");
  return {
    instance: textIn(fields, "instance", { max: 128 }),
    epoch: integerIn(fields, "epoch", { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

function bytesFrom(value: unknown): Uint8Array {
  if (typeof value !== "string") throw new RangeError("bytes are not base64");
  return Buffer.from(value, "base64");
}
