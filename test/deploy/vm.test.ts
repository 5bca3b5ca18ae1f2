import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";

const folder = resolve("deploy/vm");
const unit = "usr/lib/systemd/system/isthmus-vm.service";
// Some ways in stay open: a network, programs that Node compiles, and what it tells systemd.
const worstExposure = 2.2;

function run(
  words: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): SpawnSyncReturns<string> {
  const [program = "", ...rest] = words;
  const done = spawnSync(program, rest, { encoding: "utf8", env });
  assert.equal(done.error, undefined, String(done.error));
  return done;
}

function ok(words: readonly string[]): string {
  const { status, stdout, stderr } = run(words);
  assert.equal(status, 0, `${words.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** Every path below a folder with its kind and mode. */
const tree = (dir: string): string =>
  ok(["find", dir, "-printf", "%P %y %m\n"]).split("\n").sort().join("\n");

suite("a VM's package", () => {
  let destdir: string;
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-vm-deploy-"));
    destdir = join(dir, "dest");
    await mkdir(destdir);
    // The bundle is another command's to build.
    ok(["node", "scripts/build.mjs", "--if-stale"]);
    ok([join(folder, "install.sh"), "--destdir", destdir, "--node", process.execPath]);
  });
  after(() => rm(dir, { recursive: true }));

  test("its unit is understood by systemd, every line of it", async () => {
    // Only the place of the program is another one here.
    const text = await readFile(join(destdir, unit), "utf8");
    const copy = join(dir, "isthmus-vm.service");
    await writeFile(copy, text.replaceAll("=/usr/bin/isthmus", `=${destdir}/usr/bin/isthmus`));
    const { status, stderr } = run(["systemd-analyze", "verify", "--man=no", copy]);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  });

  test("its unit leaves an attacker little", () => {
    const shown = ok([
      "systemd-analyze",
      "security",
      "--offline=yes",
      "--no-pager",
      join(destdir, unit),
    ]);
    const [, exposure = "10"] = /Overall exposure level for \S+: ([\d.]+)/.exec(shown) ?? [];
    assert.ok(Number(exposure) <= worstExposure, shown);
  });

  test("its unit gives the sidecar longer to end than it takes, and to say that it lives", async () => {
    const text = await readFile(join(destdir, unit), "utf8");
    assert.match(text, /^Type=notify$/m);
    assert.match(
      text,
      /^LoadCredential=isthmus\.join-token:\/etc\/credstore\/isthmus\.join-token$/m,
    );
    assert.match(text, /^KillMode=mixed$/m);
    const [, stop = "0"] = /^TimeoutStopSec=(\d+)$/m.exec(text) ?? [];
    assert.ok(Number(stop) > 25, "runService drains for 25 s");
    assert.doesNotMatch(text, /MemoryDenyWriteExecute=yes/, "Node could not start");
  });

  test("the program runs by the Node that came along", () => {
    // As on the machine itself: the script names the places of a machine that it is installed on.
    const node = join(destdir, "usr/lib/isthmus/node");
    const said = ok([
      node,
      join(destdir, "usr/lib/isthmus/bin/isthmus.mjs"),
      "vm",
      "join",
      "--help",
    ]);
    assert.match(said, /isthmus vm join --agent HOST:PORT/);
  });

  test("installing twice changes nothing, and leaves configuration as it is", async () => {
    const env = join(destdir, "etc/isthmus/vm.env");
    await writeFile(env, 'ISTHMUS_VM="--agent 10.0.0.1:15012"\n');
    const before = tree(destdir);
    ok([join(folder, "install.sh"), "--destdir", destdir, "--node", process.execPath]);
    assert.equal(tree(destdir), before);
    assert.match(await readFile(env, "utf8"), /10\.0\.0\.1/);
  });

  test("configuration and the program's folders are nobody's to write but root's", () => {
    const open = ok(["find", destdir, "-perm", "/022", "-not", "-type", "l"]);
    assert.equal(open, "");
    assert.match(tree(destdir), /^etc\/isthmus\/vm\.env f 600$/m);
  });
});

const mayNamespace = process.getuid?.() === 0;
test("uninstalling takes away every file and every rule, and nothing else", {
  skip: mayNamespace ? false : "only root may have a network namespace for rules",
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-vm-uninstall-"));
  const destdir = join(dir, "dest");
  const foreign = ["etc/systemd/resolved.conf.d", "etc/credstore", "usr/bin"];
  for (const path of foreign) {
    await mkdir(join(destdir, path), { recursive: true });
    await writeFile(join(destdir, path, "other"), "somebody else's");
  }
  const script = `set -eu
nft add table inet other
nft add chain inet other input
find "$DEST" -printf '%P %y %m %s\\n' | sort > "$DIR/tree-before"
nft list ruleset > "$DIR/rules-before"
deploy/vm/install.sh --destdir "$DEST"
# What a VM has after a while: state, a token, a resolver that asks, and rules of capture.
install -d -m 700 "$DEST/var/lib/isthmus/svid"
install -m 600 /dev/null "$DEST/var/lib/isthmus/svid/svid.key"
install -m 600 /dev/null "$DEST/etc/credstore/isthmus.join-token"
install -m 644 deploy/vm/resolver/systemd-resolved.conf "$DEST/etc/systemd/resolved.conf.d/isthmus.conf"
install -D -m 644 deploy/vm/resolver/dnsmasq.conf "$DEST/etc/dnsmasq.d/isthmus.conf"
"$NODE" bin/isthmus.mjs capture apply
nft list table inet isthmus > /dev/null
"$DEST/usr/lib/isthmus/uninstall.sh" --destdir "$DEST"
find "$DEST" -printf '%P %y %m %s\\n' | sort > "$DIR/tree-after"
nft list ruleset > "$DIR/rules-after"
`;
  try {
    ok(["node", "scripts/build.mjs", "--if-stale"]);
    const env = { ...process.env, DEST: destdir, DIR: dir, NODE: process.execPath };
    const { status, stdout, stderr } = run(["unshare", "--net", "sh", "-c", script], env);
    assert.equal(status, 0, stdout + stderr);
    const [before, after, rules, rulesAfter] = await Promise.all(
      ["tree-before", "tree-after", "rules-before", "rules-after"].map((name) =>
        readFile(join(dir, name), "utf8"),
      ),
    );
    // A folder's size says how many names it ever had.
    const sizeless = (text = ""): string => text.replaceAll(/ d (\d+) \d+$/gm, " d $1");
    assert.equal(sizeless(after), sizeless(before));
    assert.equal(rulesAfter, rules);
    assert.match(rules ?? "", /table inet other/);
  } finally {
    await rm(dir, { recursive: true });
  }
});
