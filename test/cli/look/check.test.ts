import assert from "node:assert/strict";
import { chmod, copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkTrustFolder, trustKindOf } from "../../../src/app/check/check-trust.ts";
import { run } from "../fake-terminal.ts";

async function withFiles(
  files: Readonly<Record<string, string>>,
  use: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-check-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    await use(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

const service = `apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ name: http, port: 80 }] }
`;

test("isthmus check exits 0 on files that are right", async () => {
  await withFiles({ "cart.yaml": service }, async (dir) => {
    const printed = await run(["check", dir]);
    assert.deepEqual(printed, { code: 0, out: "Nothing found\n", err: "" });
  });
});

test("isthmus check exits 1 and names file, line and code", async () => {
  await withFiles({ "cart.yaml": service.replace("port: 80", "port: 99999") }, async (dir) => {
    const printed = await run(["check", join(dir, "cart.yaml"), "--json"]);
    assert.equal(printed.code, 1);
    const { findings } = JSON.parse(printed.out) as {
      findings: { code: string; subject: string }[];
    };
    assert.equal(findings[0]?.code, "SOURCE_OBJECT_INVALID");
    assert.match(findings[0]?.subject ?? "", /cart\.yaml:4/);
  });
});

test("isthmus check knows configuration files by their content", async () => {
  const files = {
    "agent.yaml": "mesh: Bad\n",
    "gw.yaml": "agent: x\n",
    "side.yaml": "agent: x\nworkload: w\n",
  };
  await withFiles(files, async (dir) => {
    const printed = await run(["check", dir, "--json"]);
    assert.equal(printed.code, 1);
    const { findings } = JSON.parse(printed.out) as {
      findings: { code: string; subject: string; message: string }[];
    };
    assert.ok(findings.every(({ code }) => code === "CONFIG_INVALID"));
    const about = (file: string): string =>
      findings
        .filter(({ subject }) => subject.includes(file))
        .map(({ message }) => message)
        .join();
    assert.match(about("agent.yaml"), /sources: it is missing/);
    assert.match(about("side.yaml"), /serviceAccount: it is missing/);
    assert.doesNotMatch(about("gw.yaml"), /serviceAccount/);
  });
});

test("isthmus check finds a gateway address that other members will refuse", async () => {
  await withFiles({}, async (dir) => {
    const [root, east] = [join(dir, "root"), join(dir, "east")];
    await run(["trust", "init", "--mesh", "acme.mesh", "--dir", root]);
    const range = ["--gateway-range", "10.1.0.0/16"];
    await run(["trust", "issue", "member", "east", "--dir", root, "--out", east, ...range]);
    const file = join(dir, "agent.yaml");
    const text = `mesh: acme.mesh
member: { name: east, cloud: onprem, region: east }
trust: { dir: ./east }
catalog: { memory: true, snapshotDir: ./state }
sources: [{ files: . }]
gateway: { addresses: ["10.1.0.7:15443", "10.2.0.7:15443"] }
`;
    await writeFile(file, text);
    const printed = await run(["check", file, "--json"]);
    const { findings } = JSON.parse(printed.out) as {
      findings: { code: string; subject: string; message: string }[];
    };
    assert.equal(printed.code, 1);
    assert.deepEqual(
      findings.map(({ code, subject }) => [code, subject]),
      [["GATEWAY_ADDRESS_REFUSED", file]],
      printed.out,
    );
    assert.match(findings[0]?.message ?? "", /10\.2\.0\.7/);
  });
});

test("isthmus check warns of a hub's password that others may read, and fails for none", async () => {
  await withFiles({ password: "secret\n" }, async (dir) => {
    const [root, east] = [join(dir, "root"), join(dir, "east")];
    await run(["trust", "init", "--mesh", "acme.mesh", "--dir", root]);
    await run(["trust", "issue", "member", "east", "--dir", root, "--out", east]);
    const file = join(dir, "agent.yaml");
    const hub = `{ url: "redis://127.0.0.1:1", username: east, passwordFile: ./password }`;
    await writeFile(
      file,
      `mesh: acme.mesh
member: { name: east, cloud: onprem, region: east }
trust: { dir: ./east }
catalog: { hubs: [${hub}], snapshotDir: ./state }
sources: [{ files: . }]
`,
    );
    const found = async (mode: number): Promise<readonly string[]> => {
      await chmod(join(dir, "password"), mode);
      const { code, out } = await run(["check", file, "--json"]);
      assert.equal(code, 0);
      const { findings } = JSON.parse(out) as { findings: { code: string; message: string }[] };
      return findings.map((one) => `${one.code} ${one.message.split(",")[0] ?? ""}`);
    };
    assert.deepEqual(await found(0o600), []);
    assert.deepEqual(await found(0o640), ["CATALOG_SECRET_EXPOSED its group may read it"]);
    assert.deepEqual(await found(0o604), [
      "CATALOG_SECRET_EXPOSED everybody on this machine may read it",
    ]);
  });
});

test("isthmus check finds a sidecar whose identity is another's or missing", async () => {
  await withFiles({}, async (dir) => {
    const [root, east, id] = [join(dir, "root"), join(dir, "east"), join(dir, "cart-id")];
    await run(["trust", "init", "--mesh", "acme.mesh", "--dir", root]);
    await run(["trust", "issue", "member", "east", "--dir", root, "--out", east]);
    await run(["trust", "issue", "workload", "shop/cart", "--dir", east, "--out", id]);
    const file = join(dir, "sidecar.yaml");
    const text = `agent: 127.0.0.1:15012
identity: { dir: ./cart-id }
workload: cart-1
namespace: shop
serviceAccount: cart
`;
    const problemsOf = async (content: string): Promise<readonly string[]> => {
      await writeFile(file, content);
      const { out } = await run(["check", file, "--json"]);
      const { findings } = JSON.parse(out) as { findings: { code: string; message: string }[] };
      return findings.map(({ code, message }) => `${code} ${message.split(":")[0] ?? ""}`);
    };
    const refused = ["CONFIG_TRUST_MISMATCH identity.dir"];
    assert.deepEqual(await problemsOf(text), []);
    assert.deepEqual(await problemsOf(text.replace("Account: cart", "Account: x")), refused);
    assert.deepEqual(await problemsOf(text.replace("./cart-id", "./nowhere")), refused);
  });
});

test("isthmus check names an Envoy that is not supported, or missing", async (t) => {
  const outside = process.env["ISTHMUS_ENVOY"];
  t.after(() => {
    if (outside === undefined) delete process.env["ISTHMUS_ENVOY"];
    else process.env["ISTHMUS_ENVOY"] = outside;
  });
  await withFiles({}, async (dir) => {
    const [root, east, id] = [join(dir, "root"), join(dir, "east"), join(dir, "gateway-id")];
    await run(["trust", "init", "--mesh", "acme.mesh", "--dir", root]);
    await run(["trust", "issue", "member", "east", "--dir", root, "--out", east]);
    await run(["trust", "issue", "gateway", "--dir", east, "--out", id]);
    const [file, envoy] = [join(dir, "gateway.yaml"), join(dir, "envoy")];
    await writeFile(
      file,
      "agent: 127.0.0.1:15012\nidentity: { dir: ./gateway-id }\nengine: envoy\n",
    );
    process.env["ISTHMUS_ENVOY"] = envoy;
    const found = async (version: string): Promise<string> => {
      const said = `echo "envoy  version: 0123abc/${version}/Clean/RELEASE/BoringSSL"`;
      await writeFile(envoy, `#!/bin/sh\n${said}\n`, { mode: 0o755 });
      const { out } = await run(["check", file, "--json"]);
      const { findings } = JSON.parse(out) as { findings: { code: string; message: string }[] };
      return findings.map(({ code, message }) => `${code} ${message}`).join();
    };
    assert.match(
      await found("1.28.0"),
      /^CONFIG_ENGINE_UNFIT engine: .* is 1\.28\.0, not 1\.36 to/,
    );
    assert.equal(await found("1.38.2"), "");
    await rm(envoy);
    const { out } = await run(["check", file]);
    assert.match(out, /CONFIG_ENGINE_UNFIT/);
  });
});

test("isthmus check says what a trust folder or file is, and what is wrong with it", async () => {
  await withFiles({}, async (dir) => {
    const [root, east, id] = [join(dir, "root"), join(dir, "east"), join(dir, "cart-id")];
    const [other, charter] = [join(dir, "other"), join(dir, "east", "charter.json")];
    for (const one of [root, other])
      await run(["trust", "init", "--mesh", "acme.mesh", "--dir", one]);
    await run(["trust", "issue", "member", "east", "--dir", root, "--out", east]);
    await run(["trust", "issue", "workload", "shop/cart", "--dir", east, "--out", id]);
    const about = async (...paths: readonly string[]): Promise<readonly string[]> => {
      const { out } = await run(["check", ...paths, "--json"]);
      const { findings } = JSON.parse(out) as {
        findings: { code: string; severity: string; subject: string; message: string }[];
      };
      return findings.map(({ code, subject, message }) => {
        return `${code} ${subject.replace(dir, "")}: ${message.replaceAll(dir, "").split(";")[0]}`;
      });
    };
    assert.deepEqual(await about(root), [
      "TRUST_FILES /root: it is the root of acme.mesh, charter 2",
    ]);
    assert.deepEqual(await about(east), [
      "TRUST_FILES /east: it is member east of acme.mesh, charter 2",
    ]);
    assert.deepEqual(await about(charter), [
      "TRUST_FILES /east/charter.json: it is charter 2 of acme.mesh",
    ]);
    const [identity = ""] = await about(id);
    assert.match(
      identity,
      /^TRUST_FILES \/cart-id: it is the identity spiffe:\/\/east\.acme\.mesh\//,
    );
    assert.match((await about(join(id, "svid.key")))[0] ?? "", /it is a private key$/);
    assert.equal((await about(dir)).length, 4, "all of them below a folder, and no manifest");
    assert.equal((await run(["check", dir])).code, 0);

    await copyFile(join(other, "bundle.pem"), join(east, "bundle.pem"));
    for (const path of [east, charter]) {
      const [refused = ""] = await about(path);
      assert.match(refused, /^TRUST_UNUSABLE .*Cannot use "\/east\/charter.json"/);
    }
    await writeFile(join(id, "svid.pem"), "no certificate");
    assert.match((await about(id))[0] ?? "", /^TRUST_UNUSABLE \/cart-id: /);
    assert.equal((await run(["check", id])).code, 1);
  });
});

test("checkTrustFolder() finds what has ended by the time it is told", async () => {
  await withFiles({}, async (dir) => {
    const [root, east, id] = [join(dir, "root"), join(dir, "east"), join(dir, "cart-id")];
    await run(["trust", "init", "--mesh", "acme.mesh", "--dir", root]);
    await run(["trust", "issue", "member", "east", "--dir", root, "--out", east]);
    await run(["trust", "issue", "workload", "shop/cart", "--dir", east, "--out", id]);
    const codesIn = async (path: string, days: number): Promise<readonly string[]> => {
      const kind = await trustKindOf(path);
      assert.ok(kind !== undefined);
      const found = await checkTrustFolder(path, kind, Date.now() + days * 86_400_000);
      return found.map(({ code }) => code);
    };
    assert.deepEqual(await codesIn(id, 2), ["TRUST_ENDED", "TRUST_FILES"]);
    assert.deepEqual(await codesIn(east, 250), ["TRUST_ISSUER_AGES", "TRUST_FILES"]);
    assert.deepEqual(await codesIn(east, 400), ["TRUST_ENDED", "TRUST_FILES"]);
    assert.ok((await codesIn(root, 365 * 40)).includes("TRUST_ENDED"));
  });
});

test("isthmus check of a path that is not there exits 1 and says so", async () => {
  const printed = await run(["check", "/nowhere"]);
  assert.equal(printed.code, 1);
  assert.match(printed.err, /Cannot check "\/nowhere"/);
});
