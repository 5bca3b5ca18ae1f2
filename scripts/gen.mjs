// Generates src/xds/gen: TypeScript for the xDS protos (see proto/README.md) and the table of their
// validation rules. Deterministic, offline, a few seconds. Plain JavaScript that Node 20 runs.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  CodeGeneratorRequestSchema,
  CodeGeneratorResponseSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { constraintsModule } from "./gen-constraints.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const outDir = join(root, "src/xds/gen");
const overlayDir = join(root, "proto/overlay");
const packages = join(root, "node_modules");
const upstream = ["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map((name) =>
  join(packages, "@grpc/grpc-js-xds/deps", name),
);

const workDir = mkdtempSync(join(root, ".xds-gen-"));
try {
  const protoDir = join(workDir, "proto");
  stage(roots(), protoDir);
  const image = describe(protoDir);
  const set = fromBinary(FileDescriptorSetSchema, image);
  const rules = constraintsModule(set);
  const files = typescriptFor(lean(set));
  files.set("constraints.ts", rules);
  replaceOutput(files, join(workDir, "out"));
} finally {
  rmSync(workDir, { recursive: true, force: true });
}

/** @returns {string[]} */
function roots() {
  const lines = readFileSync(join(root, "proto/roots.txt"), "utf8").split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

/** Copies the files named and all they import, the overlay worked in. */
function stage(names, toDir) {
  const seen = new Set(names);
  for (const name of seen) {
    const text = readProto(name);
    const path = join(toDir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    for (const [, imported] of text.matchAll(/^import (?:public )?"([^"]+)";/gm)) {
      // The well-known types are built into buf and into the runtime.
      if (!imported.startsWith("google/protobuf/")) seen.add(imported);
    }
  }
}

function readProto(name) {
  const path = upstream.map((dir) => join(dir, name)).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`Cannot find proto file "${name}" in @grpc/grpc-js-xds`);
  const text = readFileSync(path, "utf8").replaceAll("\r\n", "\n");
  const overlay = join(overlayDir, name);
  return existsSync(overlay) ? merge(text, readFileSync(overlay, "utf8")) : text;
}

/** Adds an overlay's imports and message bodies to the text of the file it changes. */
function merge(text, overlay) {
  let merged = text;
  for (const [line] of overlay.matchAll(/^import .*;$/gm)) {
    if (!merged.includes(line)) merged = merged.replace(/^import /m, `${line}\nimport `);
  }
  for (const [block, name, body] of overlay.matchAll(/^message (\w+) \{\n([^]*?)^\}$/gm)) {
    const opening = `message ${name} {\n`;
    const at = merged.indexOf(`\n${opening}`) + 1;
    merged =
      at === 0
        ? `${merged}\n${block}\n`
        : merged.slice(0, at + opening.length) + body + merged.slice(at + opening.length);
  }
  return merged;
}

/** The descriptor set of a folder of protos. */
function describe(protoDir) {
  const out = join(workDir, "image.binpb");
  // Through its JavaScript entry: the file in .bin is a shell script on Windows.
  run(process.execPath, [
    join(packages, "@bufbuild/buf/bin/buf"),
    "build",
    protoDir,
    "--as-file-descriptor-set",
    "--exclude-source-info",
    "-o",
    out,
  ]);
  return readFileSync(out);
}

/**
 * The same files without options other than `deprecated`, and without the imports that only declare options.
 * It halves the generated code, which every start has to load.
 */
function lean(set) {
  const optionFiles = new Set(
    set.file
      .filter((file) => file.extension.length > 0 || isOptionFile(file.name))
      .map((file) => file.name),
  );
  for (const file of set.file) {
    const kept = file.dependency.filter((name) => !optionFiles.has(name));
    file.dependency = kept;
    file.publicDependency = [];
    file.weakDependency = [];
    delete file.options;
    file.service.forEach((service) => {
      delete service.options;
      service.method.forEach((method) => delete method.options);
    });
    file.enumType.forEach(stripEnum);
    file.messageType.forEach(stripMessage);
  }
  set.file = set.file.filter((file) => !optionFiles.has(file.name));
  return set;
}

// Imported by nothing but options, though they declare none themselves.
function isOptionFile(name) {
  return (
    name.startsWith("validate/") ||
    name.startsWith("google/api/http") ||
    name === "google/api/annotations.proto"
  );
}

function stripMessage(message) {
  // A map's entry message is known by its option.
  if (!message.options?.mapEntry) delete message.options;
  else delete message.options.$unknown;
  message.field.forEach((field) => stripField(field));
  message.oneofDecl.forEach((oneof) => delete oneof.options);
  message.enumType.forEach(stripEnum);
  message.nestedType.forEach(stripMessage);
}

function stripField(field) {
  if (field.options?.deprecated) delete field.options.$unknown;
  else delete field.options;
}

function stripEnum(descriptor) {
  delete descriptor.options;
  descriptor.value.forEach((value) => delete value.options);
}

/** One call of the plugin for all files: one call per folder takes twenty times as long. */
function typescriptFor(set) {
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: set.file
      .map((file) => file.name)
      .filter((name) => !name.startsWith("google/protobuf/")),
    parameter: "target=ts,erasable_syntax=true,import_extension=ts",
    protoFile: set.file,
  });
  const output = run(
    process.execPath,
    [join(packages, "@bufbuild/protoc-gen-es/bin/protoc-gen-es")],
    toBinary(CodeGeneratorRequestSchema, request),
  );
  const response = fromBinary(CodeGeneratorResponseSchema, output);
  if (response.error) throw new Error(`Cannot generate TypeScript: ${response.error}`);
  return new Map(response.file.map((file) => [file.name, file.content]));
}

/** Swaps the folder in one step, so that an interrupted run leaves the old one whole. */
function replaceOutput(files, stagedDir) {
  for (const [name, content] of files) {
    const path = join(stagedDir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  rmSync(outDir, { recursive: true, force: true });
  mkdirSync(dirname(outDir), { recursive: true });
  renameSync(stagedDir, outDir);
}

function run(command, args, input) {
  const result = spawnSync(command, args, {
    input,
    maxBuffer: 64 << 20,
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new Error(`Cannot run ${args[0]}: it ended with ${result.status ?? result.signal}`);
  return result.stdout;
}
