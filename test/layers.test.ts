// Keeps the rules of ARCHITECTURE.md: the path of a file tells its power, and arrows go one way.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path/posix";
import { test } from "node:test";

const words = ["mesh", "telemetry"];
const rooms = [...words, "xds", "discovery", "trust"];

/** What each folder of src/ may see besides itself. A folder without a line fails. */
const visibleFrom: Readonly<Record<string, readonly string[]>> = {
  mesh: [],
  telemetry: ["mesh"],
  xds: words,
  discovery: words,
  trust: words,
  proxy: rooms,
  gateway: [...rooms, "proxy"],
  dataplane: [...words, "xds"],
  app: [...rooms, "proxy", "gateway", "dataplane"],
  cli: [...rooms, "proxy", "gateway", "dataplane", "app"],
};

/** Packages that compute and nothing else, and where pure code may use them ("" is anywhere). */
const pureModules: Readonly<Record<string, string>> = {
  "@bufbuild/protobuf": "",
  "@bufbuild/protobuf/codegenv2": "",
  "@bufbuild/protobuf/reflect": "",
  "@bufbuild/protobuf/wire": "",
  "@bufbuild/protobuf/wkt": "",
  jose: "trust/tokens/",
  "node-forge": "trust/der.ts",
  "node:crypto": "",
  "node:util": "",
  "prom-client": "telemetry/",
  yaml: "",
};

/** The clock, chance, the process and the network, by the names that need no import or come with node:crypto. */
const powers = new RegExp(
  [
    /\bDate\.now\b/,
    /\bnew Date\(\)/,
    /\bperformance\./,
    /\bset(Timeout|Interval|Immediate)\b/,
    /\bAbortSignal\.timeout\b/,
    /\bMath\.random\b/,
    /\brandom(Bytes|UUID|Int|Fill|FillSync)\b/,
    /\bgetRandomValues\b/,
    /\bgenerateKey(Pair)?(Sync)?\b/,
    /(?<!\.)\bprocess\.\w/,
    /(?<!\.)\bfetch\(/,
  ]
    .map((pattern) => pattern.source)
    .join("|"),
);

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

for (const file of globSync("**/*.ts", { cwd: "src" }).filter((path) => !isGenerated(path))) {
  test(`src/${file} keeps the dependency rule`, () => {
    const text = readFileSync(join("src", file), "utf8");
    const violations = importsOf(text).map((each) => violationOf(file, each));
    const power = isPure(file) ? powers.exec(withoutComments(text)) : null;
    if (power !== null) violations.push(`pure code uses ${power[0]}: take it as an argument`);
    assert.deepEqual(
      violations.filter((violation) => violation !== undefined),
      [],
    );
  });
}

test("no imports run in a circle: of any two files one can be read first", () => {
  const files = globSync("**/*.ts", { cwd: "src" }).filter((path) => !isGenerated(path));
  const imports = new Map(
    files.map((file) => {
      const relative = importsOf(readFileSync(join("src", file), "utf8"))
        .map(({ from }) => from)
        .filter((from) => from.startsWith("."));
      return [file, relative.map((from) => join(dirname(file), from))] as const;
    }),
  );
  // Whatever imports nothing that is left can be read; what is never taken away is in a circle.
  let left = new Set(files);
  for (let before = 0; before !== left.size; ) {
    before = left.size;
    const isOpen = (file: string): boolean =>
      imports.get(file)?.some((to) => left.has(to)) ?? false;
    left = new Set([...left].filter(isOpen));
  }
  assert.deepEqual([...left], []);
});

test("importsOf() finds every form of import that the formatter writes", () => {
  const text = [
    'import "./a.ts";',
    'import b from "./b.ts";',
    "import {",
    "  c,",
    '} from "./c.ts";',
    'import type { D } from "./d.ts";',
    'export * from "./e.ts";',
    'const f = await import("./f.ts");',
    'export const g = "from \\"./not.ts\\"";',
  ].join("\n");
  const found = importsOf(text).map((each) => `${each.from}${each.typeOnly ? " type" : ""}`);
  assert.deepEqual(found.sort(), ["./a.ts", "./b.ts", "./c.ts", "./d.ts type", "./e.ts", "./f.ts"]);
});

test("violationOf() tells what may not be imported", () => {
  const isRefused = (file: string, from: string, typeOnly = false): boolean =>
    violationOf(file, { from, typeOnly }) !== undefined;
  assert.ok(isRefused("mesh/ids.ts", "../telemetry/names.ts"), "an arrow outwards");
  assert.ok(isRefused("discovery/merge.ts", "../trust/charter.ts"), "an arrow sideways");
  assert.ok(isRefused("dataplane/io/tls.ts", "../../trust/verify.ts"), "a back door");
  assert.ok(isRefused("xds/ledger.ts", "./io/stream.ts"), "an adapter in pure code");
  assert.ok(isRefused("proxy/io/ads.ts", "../../xds/io/server.ts"), "an adapter of another folder");
  assert.ok(isRefused("trust/chain.ts", "node-forge"), "node-forge outside der.ts");
  assert.ok(isRefused("xds/ledger.ts", "node:net"), "the network in pure code");
  assert.ok(isRefused("nowhere/a.ts", "../mesh/ids.ts"), "a folder without a line");
  assert.ok(!isRefused("xds/ledger.ts", "node:net", true), "a type has no power");
  assert.ok(!isRefused("app/agent.ts", "../trust/io/keys.ts"), "app wires adapters");
  assert.ok(!isRefused("trust/io/keys.ts", "./files.ts"), "an adapter's own neighbour");
  assert.ok(!isRefused("trust/io/keys.ts", "../../mesh/io/file.ts"), "what every adapter needs");
  assert.ok(isRefused("trust/keys.ts", "../mesh/io/file.ts"), "pure code takes no adapter of mesh");
});

function violationOf(file: string, { from, typeOnly }: Import): string | undefined {
  const visible = visibleFrom[folderOf(file)];
  if (visible === undefined) return `${folderOf(file)} has no line in visibleFrom`;
  if (!from.startsWith(".")) {
    if (!isPure(file) || typeOnly) return undefined;
    const where = pureModules[from];
    if (where !== undefined && file.startsWith(where)) return undefined;
    return `pure code imports ${from}: take what it gives as an argument`;
  }
  const target = join(dirname(file), from);
  // The demo is the examples, run: nothing else may lean on them.
  if (file.startsWith("app/demo/") && target.startsWith("../examples/")) return undefined;
  const [own, other] = [folderOf(file), folderOf(target)];
  if (own !== other && !visible.includes(other)) return `${own} may not see ${other} (${from})`;
  // mesh/io/ knows no room and no rule of any: what every adapter needs of the system stands there once.
  const mayWire = own === "app" || (!isPure(file) && (own === other || other === "mesh"));
  if (isIo(target) && !mayWire) return `only app wires ${target}: take a port`;
  return undefined;
}

/** Relies on the formatter: double quotes, a statement starts a line. */
function importsOf(text: string): Import[] {
  const statement = /^(?:import|export)( type)? [^=(`;"]*?\bfrom "([^"]+)"/gm;
  const bare = /^import "([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [
    ...[...text.matchAll(statement)].map(([, type, from = ""]) => ({
      from,
      typeOnly: type !== undefined,
    })),
    ...[...text.matchAll(bare)].map(([, first, second = ""]) => ({
      from: first ?? second,
      typeOnly: false,
    })),
  ];
}

/** Comments and plain strings may name what code may not use; template literals can hold code. */
function withoutComments(text: string): string {
  const skipped = /"(?:\\.|[^"\\\n])*"|\/\*[^]*?\*\/|\/\/.*/g;
  return text.replace(skipped, (found) => (found.startsWith('"') ? '""' : ""));
}

function folderOf(path: string): string {
  return path.split("/")[0] ?? "";
}

function isIo(path: string): boolean {
  return path.split("/")[1] === "io";
}

function isPure(path: string): boolean {
  return !isIo(path) && !["app", "cli"].includes(folderOf(path));
}

function isGenerated(path: string): boolean {
  return path.startsWith("xds/gen/");
}
