import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import { HubFailure } from "../../../../../src/discovery/io/catalog/redis/link/hub-failure.ts";
import { openRedisStore } from "../../../../../src/discovery/io/catalog/redis/redis-store.ts";
import type { CatalogStore } from "../../../../../src/discovery/shards/store.ts";
import { logStart } from "../../../../../src/discovery/shards/store.ts";
import {
  type Answer,
  type FakeServer,
  openFakeServer,
} from "../../../../support/redis/fake-server.ts";
import { at, east, noSignal, west, writeOf } from "./made-writes.ts";
import { storeDeps } from "./store-deps.ts";

const ok = "+OK\r\n";

/** Lets everybody in and says this to everything else. */
function saying(answer: Answer): Answer {
  return (command, socket) => {
    const [name = ""] = command;
    if (["AUTH", "CLIENT"].includes(name)) return ok;
    return name === "TYPE" ? "+none\r\n" : answer(command, socket);
  };
}

async function withHub(
  answer: Answer,
  run: (store: CatalogStore, server: FakeServer) => Promise<void>,
): Promise<void> {
  await using server = await openFakeServer(answer);
  const hub = { url: `redis://127.0.0.1:${server.port}`, name: "fake" };
  await using store = openRedisStore(hub, storeDeps());
  await run(store, server);
}

function failureOf(thrown: unknown): HubFailure {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  assert.ok(cause instanceof HubFailure, String(thrown));
  return cause;
}

async function failed(call: Promise<unknown>): Promise<HubFailure> {
  try {
    await call;
  } catch (thrown) {
    assert.equal((thrown as { code?: string }).code, "MESH_CATALOG_UNAVAILABLE");
    return failureOf(thrown);
  }
  throw new assert.AssertionError({ message: "the call did not fail" });
}

suite("a store at a hub that cannot be trusted", () => {
  for (const [what, reply] of [
    ["a string of two gigabytes", "$2147483647\r\n"],
    ["a list of a billion parts", "*1000000000\r\n"],
    ["lists in lists without end", "*1\r\n".repeat(100_000)],
    ["a line without end", `+${"x".repeat(100_000)}`],
    ["replies that nobody asked for", "$-1\r\n".repeat(1000)],
    ["pushes of the newer protocol", ">2\r\n$9\r\nsubscribe\r\n_\r\n"],
    ["another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["bytes without sense", Buffer.from([0, 255, 13, 10, 36, 45, 49])],
  ] as const) {
    test(`cuts a hub that sends ${what}, and lives`, async () => {
      await withHub(
        saying(() => reply),
        async (store) => {
          const failure = await failed(store.readHeads([east], { signal: noSignal }));
          assert.equal(failure.kind, "junk");
        },
      );
    });
  }

  for (const [what, reply] of [
    ["a number", ":7\r\n"],
    ["nothing", "$-1\r\n"],
    ["a list of lists", "*1\r\n*1\r\n*0\r\n"],
    ["text", "$3\r\nabc\r\n"],
    ["an error inside a list", "*2\r\n-ERR inside\r\n:1\r\n"],
  ] as const) {
    test(`takes ${what} in place of anything for nothing`, async () => {
      await withHub(
        saying(() => reply),
        async (store) => {
          assert.equal(await store.readSnapshot(east, noSignal), undefined);
          assert.equal((await store.readHeads([east], { signal: noSignal })).size, 0);
          assert.deepEqual(await store.readCharters({ above: 0 }, noSignal), []);
          const cursors = new Map([[east, logStart]]);
          assert.deepEqual(await store.readLog(cursors, { waitMs: 1, signal: noSignal }), []);
        },
      );
    });
  }

  test("entries of members that nobody asked for, and ids that are none, are left out", async () => {
    const entry = (id: string): string => `*2\r\n$${id.length}\r\n${id}\r\n*0\r\n`;
    const stream = (key: string, id: string): string =>
      `*2\r\n$${key.length}\r\n${key}\r\n*1\r\n${entry(id)}`;
    const own = "isthmus:{acme.test}:east:log";
    const reply = `*3\r\n${stream(own, "7-0")}${stream(own, "x")}${stream("other", "8-0")}`;
    await withHub(
      saying(([name]) => (name === "XREAD" ? reply : "$-1\r\n")),
      async (store) => {
        const cursors = new Map([[east, logStart]]);
        const entries = await store.readLog(cursors, { waitMs: 1, signal: noSignal });
        // Junk within an honest frame: the reader is sent to the snapshot, and its cursor moves on.
        assert.deepEqual(
          entries.map(({ member, cursor, t }) => [member, cursor, t]),
          [[east, "7-0", "whole"]],
        );
      },
    );
  });

  test("a server that repeats the password in its refusal does not bring it into an error", async () => {
    const dir = await mkdtemp(join(tmpdir(), "isthmus-fake-"));
    try {
      const passwordFile = join(dir, "pw");
      await writeFile(passwordFile, "hunter2-and-more\n");
      await using server = await openFakeServer(
        ([name, ...args]) => `-WRONGPASS ${name === "AUTH" ? args.join(" ") : ""}\r\n`,
      );
      const url = `redis://127.0.0.1:${server.port}`;
      const hub = { url, name: "fake", username: "east", passwordFile };
      await using store = openRedisStore(hub, storeDeps());
      let said = "";
      try {
        await store.readHeads([east], { signal: noSignal });
      } catch (thrown) {
        said = inspect(thrown, { depth: 9 });
      }
      assert.match(said, /WRONGPASS/);
      assert.doesNotMatch(said, /hunter2/);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test("a server that repeats the password later, or half of it at the edge of what is shown, does neither", async () => {
    const dir = await mkdtemp(join(tmpdir(), "isthmus-fake-"));
    try {
      const passwordFile = join(dir, "pw");
      await writeFile(passwordFile, "hunter2-and-more\n");
      for (const words of ["hunter2-and-more", `${"x".repeat(185)} hunter2-and-more`]) {
        await using server = await openFakeServer(([name]) =>
          name === "AUTH" || name === "CLIENT" || name === "EXISTS" || name === "PING"
            ? "+OK\r\n"
            : `-ERR ${words}\u202e\u001b[31m\r\n`,
        );
        const url = `redis://127.0.0.1:${server.port}`;
        await using store = openRedisStore(
          { url, name: "fake", username: "east", passwordFile },
          storeDeps(),
        );
        const said = await store.readHeads([east], { signal: noSignal }).then(
          () => "",
          (thrown: unknown) => inspect(thrown, { depth: 9 }),
        );
        assert.match(said, /it refuses/);
        assert.doesNotMatch(said, /hunter/);
        for (const mark of ["\u202e", "\u001b"]) assert.ok(!said.includes(mark));
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test("a write whose answer is lost is not sent again by itself", async () => {
    let writes = 0;
    await withHub(
      saying(([name], socket) => {
        if (name !== "EVAL") return "$-1\r\n";
        writes += 1;
        // It was done, and the line breaks before anybody hears of it.
        socket.destroy();
        return undefined;
      }),
      async (store) => {
        const write = writeOf("whole", { to: at(1, 1), changed: { a: "1" } });
        assert.equal((await failed(store.publish(write, noSignal))).kind, "unreachable");
        // The next connection is up and answers: whatever would be sent again has been.
        await store.readHeads([east], { signal: noSignal });
        assert.equal(writes, 1);
      },
    );
  });

  test("a server that is loading is asked again until it has loaded", async () => {
    let asked = 0;
    await withHub(
      ([name]) => {
        if (name !== "TYPE") return "$-1\r\n";
        asked += 1;
        return asked <= 4 ? "-LOADING Redis is loading the dataset in memory\r\n" : "+none\r\n";
      },
      async (store) => {
        for (;;) {
          try {
            assert.equal((await store.readHeads([east], { signal: noSignal })).size, 0);
            break;
          } catch (thrown) {
            assert.equal(failureOf(thrown).word, "LOADING");
          }
        }
        assert.ok(asked > 4);
      },
    );
  });

  test("a server that closes each connection is not asked without end", async () => {
    await withHub(
      (_, socket) => {
        socket.destroy();
        return undefined;
      },
      async (store, server) => {
        for (let index = 0; index < 3; index += 1) {
          assert.equal(
            (await failed(store.readHeads([west], { signal: noSignal }))).kind,
            "unreachable",
          );
        }
        // Two connections each, a few attempts: not hundreds.
        assert.ok(server.connections() < 20, String(server.connections()));
      },
    );
  });

  test("a hub that accepts and never answers is given up with a reason", async () => {
    await withHub(
      () => undefined,
      async (store) => {
        assert.equal((await failed(store.readHeads([east], { signal: noSignal }))).kind, "silent");
      },
    );
  });

  test("an aborted call leaves at once, also while nobody answers", async () => {
    await withHub(
      () => undefined,
      async (store) => {
        const aborting = new AbortController();
        const call = store.readHeads([east], { signal: aborting.signal });
        aborting.abort(new Error("enough"));
        await assert.rejects(call, /enough/);
      },
    );
  });
});
