import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parseMemberName } from "../../../../src/mesh/ids.ts";
import { loadMember } from "../../../../src/trust/io/member-files.ts";
import { makeTokenKey, pkcs11Signer } from "../../../../src/trust/io/pkcs11/pkcs11-signer.ts";
import { openRootSigner } from "../../../../src/trust/io/root-keys.ts";
import { createRoot, issueIntermediate } from "../../../../src/trust/issue.ts";
import { run } from "../../../cli/fake-terminal.ts";
import { madeMesh, mesh, nowMs } from "../../made.ts";
import { softToken, whyNoToken } from "./soft-token.ts";

const skip = whyNoToken() ?? false;

suite("a root in a PKCS#11 token", { skip }, () => {
  test("certifies itself and members, whatever bytes its signatures begin with", async () => {
    await using token = await softToken();
    await makeTokenKey(token.place);
    const signer = await pkcs11Signer(token.place);
    const root = await createRoot({ mesh, signer, nowMs });
    const { east } = await madeMesh();
    const spki = east.certificate.spki;
    const member = parseMemberName("east");
    const issued = await issueIntermediate({
      root: { certificate: root, signer },
      member,
      mesh,
      spki,
      nowMs,
    });
    assert.equal(issued.issuer, root.subject);
    // r or s begin with a set bit in three of four, with a zero byte in one of 128.
    const key = createPublicKey({ key: root.spki, format: "der", type: "spki" });
    for (let round = 0; round < 40; round += 1) {
      const bytes = Buffer.from(`round ${round}`);
      assert.ok(verify("sha256", bytes, key, await signer.sign(bytes)));
    }
  });

  test("is found beside the root that comes next, and neither is taken for the other", async () => {
    await using token = await softToken();
    await makeTokenKey(token.place);
    await makeTokenKey({ ...token.place, key: "root.next" });
    const next = await pkcs11Signer({ ...token.place, key: "root.next" });
    const place = { t: "pkcs11", ...token.place } as const;
    const found = await openRootSigner(place, (keyId) => keyId === next.keyId);
    assert.equal(found.keyId, next.keyId);
    await assert.rejects(makeTokenKey(token.place), { code: "MESH_TRUST_SIGNER_FAILED" });
  });

  test("refuses a wrong PIN once and does not try it again, so that the token is not locked", async () => {
    await using token = await softToken();
    await makeTokenKey(token.place);
    await writeFile(token.place.pinFile, "11112222\n");
    for (let round = 0; round < 12; round += 1) {
      await assert.rejects(pkcs11Signer(token.place), (thrown: Error & { code: string }) => {
        assert.equal(thrown.code, "MESH_TRUST_SIGNER_FAILED");
        assert.doesNotMatch(`${thrown.message} ${String(thrown.cause)}`, /11112222/);
        return true;
      });
    }
    await writeFile(token.place.pinFile, token.pin);
    assert.ok(await pkcs11Signer(token.place));
  });

  test("says what is not there: library, token, key; a PIN that others may read is not used", async () => {
    await using token = await softToken();
    const { place } = token;
    const failed = { code: "MESH_TRUST_SIGNER_FAILED" };
    await assert.rejects(pkcs11Signer({ ...place, module: "/nowhere.so" }), failed);
    await assert.rejects(pkcs11Signer({ ...place, token: "other" }), {
      ...failed,
      message: /no token/,
    });
    await assert.rejects(pkcs11Signer(place), { ...failed, message: /no private key/ });
    await chmod(place.pinFile, 0o644);
    await assert.rejects(pkcs11Signer(place), { code: "MESH_TRUST_KEY_FILE_UNSAFE" });
    await assert.rejects(pkcs11Signer({ ...place, pinFile: join(token.dir, "none") }), {
      code: "MESH_FILE_UNREADABLE",
    });
  });
});

test("a mesh whose root is in a token from the start issues members, and holds no root key on disk", {
  skip,
}, async () => {
  await using token = await softToken();
  const dir = join(token.dir, "root");
  const { module, token: label, pinFile } = token.place;
  const from = ["--module", module, "--token", label, "--pin-file", pinFile];
  const made = await run(["trust", "init", "--mesh", "acme.mesh", "--dir", dir, ...from]);
  assert.equal(made.code, 0, made.err);
  const out = join(token.dir, "east");
  const issued = await run(["trust", "issue", "member", "east", "--dir", dir, "--out", out]);
  assert.equal(issued.code, 0, issued.err);
  assert.deepEqual((await readdir(dir)).toSorted(), [
    "bundle.pem",
    "charter.json",
    "root.pem",
    "root.token.json",
  ]);
  assert.doesNotMatch(await readFile(join(dir, "root.token.json"), "utf8"), new RegExp(token.pin));
  assert.equal((await loadMember(out)).charter.charter.number, 2);
});
