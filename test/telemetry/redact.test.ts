import assert from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../src/mesh/errors.ts";
import { Secret } from "../../src/mesh/secret.ts";
import { createLog } from "../../src/telemetry/io/log.ts";
import { redact, redactText } from "../../src/telemetry/redact.ts";

const key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n";

test("redactText() leaves nothing of a join token, wherever somebody put it", () => {
  const secret = "A1b2_-".repeat(16);
  const text = `--token=isthmus1.${secret}.east.acme.mesh, and isthmus1.${secret.slice(0, 60)}`;
  assert.equal(
    redactText(text),
    "--token=isthmus1.[redacted].east.acme.mesh, and isthmus1.[redacted]",
  );
});

test("redactText() takes keys and passwords out of the middle of a text", () => {
  assert.equal(redactText(`a ${key}b`), "a [redacted]\nb");
  assert.equal(
    redactText(key.replace("PRIVATE", "EC PRIVATE").replace("END P", "END EC P")),
    "[redacted]\n",
  );
  assert.equal(redactText("http://user:hunter2@hub:80/x"), "http://user:[redacted]@hub:80/x");
  assert.equal(redactText("http://user:hunt@er2@hub/x@y"), "http://user:[redacted]@hub/x@y");
  for (const credentials of ["user:hunter2", ":hunter2", "hunter2", "u:hu/nt@er2", "u:h:2"]) {
    for (const scheme of ["redis", "rediss", "redis+sentinel", "REDIS"]) {
      const text = `Cannot open "${scheme}://${credentials}@hub:6379" now`;
      assert.equal(redactText(text), `Cannot open "${scheme}://[redacted]@hub:6379" now`);
    }
  }
  assert.equal(redactText("half -----BEGIN PRIVATE KEY-----\nMIG"), "half [redacted]");
});

test("redact() hides what is named like a secret, at any depth", () => {
  const plain = { a: { password: "x", list: [{ token: "y" }] }, key: "z", ok: 1 };
  const text = JSON.stringify(redact(plain));
  for (const secret of ["x", "y", "z"]) assert.ok(!text.includes(`"${secret}"`), text);
  assert.match(text, /"ok":1/);
});

test("redact() lets a Secret print itself and shows bytes as their number", () => {
  assert.deepEqual(redact({ one: new Secret("x"), two: new Uint8Array(5) }), {
    one: "[redacted]",
    two: "[5 bytes]",
  });
});

test("redact() ends at cycles", () => {
  const loop: { inner?: object } = {};
  loop.inner = loop;
  assert.match(JSON.stringify(redact(loop)), /\[deep\]/);
});

test("createLog() writes JSON lines with causes and without secrets", () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", to: { write: (line: string) => void lines.push(line) } });
  const cause = new Error(`open failed near ${key}`);
  const err = new MeshError("MESH_FILE_UNREADABLE", "Cannot read", { cause });
  log.error({ err, file: "x" }, "Failed");
  log.debug({}, "Not shown");
  assert.equal(lines.length, 1);
  assert.ok(!lines.join("").includes("MIGHAgEA"));
  const line = JSON.parse(lines[0] ?? "") as {
    msg: string;
    level: string;
    err: { code: string; cause: { message: string } };
  };
  assert.equal(line.msg, "Failed");
  assert.equal(line.level, "error");
  assert.equal(line.err.code, "MESH_FILE_UNREADABLE");
  assert.match(line.err.cause.message, /\[redacted\]/);
});
