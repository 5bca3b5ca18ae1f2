import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { HostResolverOptions } from "../../../src/gateway/io/resolve-host.ts";
import { createHostResolver } from "../../../src/gateway/io/resolve-host.ts";
import { type DnsRecord, DnsServer, type Reply } from "../../support/dns/dns-server.ts";

const host = "gw.west.example";

function records(...values: readonly string[]): Reply {
  return { t: "records", records: values.map((value) => ({ value, ttlSeconds: 30 })) };
}

/** Asks a resolver that knows nothing but that server. */
async function ask(
  server: DnsServer,
  options: Partial<HostResolverOptions> & { readonly host?: string } = {},
): ReturnType<ReturnType<typeof createHostResolver>["resolve"]> {
  using resolver = createHostResolver({
    servers: [server.address],
    hostsFile: "/nowhere",
    bySystem: () => Promise.reject(new Error("the system does not know it either")),
    timeoutMs: 200,
    ...options,
  });
  return await resolver.resolve(options.host ?? host);
}

suite("createHostResolver", () => {
  test("asks for A and AAAA and gives both with the shortest life", async () => {
    await using server = await DnsServer.start();
    const record = (value: string, ttlSeconds: number): DnsRecord => ({ value, ttlSeconds });
    server.set(host, {
      A: { t: "records", records: [record("192.0.2.1", 50), record("192.0.2.2", 40)] },
      AAAA: { t: "records", records: [record("2001:db8::1", 7)] },
    });
    assert.deepEqual(await ask(server), {
      v4: { t: "records", addresses: ["192.0.2.1", "192.0.2.2"], ttlSeconds: 40 },
      v6: { t: "records", addresses: ["2001:db8::1"], ttlSeconds: 7 },
    });
  });

  test("asks a DNS server on IPv6", async () => {
    await using server = await DnsServer.start("::1");
    server.set(host, { AAAA: records("2001:db8::1") });
    const { v4, v6 } = await ask(server);
    assert.deepEqual([v4.t, v6.t], ["none", "records"]);
  });

  test("an alias that lives shorter than its target counts", async () => {
    await using server = await DnsServer.start();
    const alias = { value: "lb.cloud.example", ttlSeconds: 3 };
    const target = { value: "192.0.2.1", ttlSeconds: 600 };
    server.set(host, { A: { t: "records", alias, records: [target] } });
    const { v4 } = await ask(server);
    assert.deepEqual(v4, { t: "records", addresses: ["192.0.2.1"], ttlSeconds: 3 });
  });

  test("a name without addresses is answered, one that nobody answers for has failed", async () => {
    await using server = await DnsServer.start();
    server.set(host, { A: { t: "records", records: [] }, AAAA: { t: "code", code: "SERVFAIL" } });
    assert.deepEqual(await ask(server), {
      v4: { t: "none" },
      v6: { t: "failed", reason: "the DNS server reports a failure of its own" },
    });
  });

  const failures: readonly (readonly [string, Reply, RegExp])[] = [
    ["SERVFAIL", { t: "code", code: "SERVFAIL" }, /failure of its own/],
    ["REFUSED", { t: "code", code: "REFUSED" }, /refuses/],
    ["silence", { t: "silence" }, /in time/],
    ["junk", { t: "junk" }, /./],
    ["an answer cut short, with no TCP to repeat it", { t: "truncated", overTcp: undefined }, /./],
  ];
  for (const [what, reply, reason] of failures) {
    test(`${what} is a failure, not an empty answer`, async () => {
      await using server = await DnsServer.start();
      server.set(host, { A: reply, AAAA: reply });
      const { v4, v6 } = await ask(server);
      for (const family of [v4, v6]) {
        assert.equal(family.t, "failed");
        assert.match(family.t === "failed" ? family.reason : "", reason);
      }
    });
  }

  test("no server at all is a failure", async () => {
    const gone = await DnsServer.start();
    await gone[Symbol.asyncDispose]();
    using resolver = createHostResolver({
      servers: ["127.0.0.1:9"],
      hostsFile: "/nowhere",
      timeoutMs: 100,
    });
    const { v4 } = await resolver.resolve(host);
    assert.equal(v4.t, "failed");
  });

  test("an answer cut short is asked for again over TCP", async () => {
    await using server = await DnsServer.start();
    const many = Array.from({ length: 40 }, (_, index) => ({
      value: `192.0.2.${index + 1}`,
      ttlSeconds: 30,
    }));
    server.set(host, { A: { t: "truncated", overTcp: many } });
    const { v4 } = await ask(server);
    assert.equal(v4.t === "records" ? v4.addresses.length : 0, 40);
  });

  test("forged answers with another id or question are not taken", async () => {
    await using server = await DnsServer.start();
    const forged = [{ value: "198.51.100.66", ttlSeconds: 86_400 }];
    const real = [{ value: "192.0.2.1", ttlSeconds: 30 }];
    server.set(host, { A: { t: "forged", forged, real } });
    const { v4 } = await ask(server);
    assert.deepEqual(v4, { t: "records", addresses: ["192.0.2.1"], ttlSeconds: 30 });
  });

  test("the hosts file comes first, and a line without an address is skipped", async () => {
    await using server = await DnsServer.start();
    const dir = await mkdtemp(join(tmpdir(), "isthmus-hosts-"));
    const hostsFile = join(dir, "hosts");
    const lines = [
      "# 192.0.2.8 gw.west.example",
      "fe80::1%lo0 gw.west.example",
      "192.0.2.9\tother GW.West.example # ours",
      "::1 gw.west.example",
    ];
    await writeFile(hostsFile, lines.join("\n"));
    const answer = await ask(server, { hostsFile });
    await rm(dir, { recursive: true });
    assert.deepEqual(answer, {
      v4: { t: "records", addresses: ["192.0.2.9"], ttlSeconds: 5 },
      v6: { t: "records", addresses: ["::1"], ttlSeconds: 5 },
    });
    assert.deepEqual(server.asked, []);
  });

  test("the system's own resolver is asked only for names that DNS does not have", async () => {
    await using server = await DnsServer.start();
    const asked: string[] = [];
    const bySystem = async (name: string): Promise<readonly string[]> => {
      asked.push(name);
      return ["192.0.2.7"];
    };
    const found = await ask(server, { bySystem, host: "gw" });
    assert.deepEqual(found.v4, { t: "records", addresses: ["192.0.2.7"], ttlSeconds: 30 });
    server.set(host, { A: { t: "code", code: "SERVFAIL" }, AAAA: { t: "code", code: "SERVFAIL" } });
    assert.equal((await ask(server, { bySystem })).v4.t, "failed");
    assert.equal((await ask(server, { bySystem, host: "gone.example." })).v4.t, "none");
    assert.deepEqual(asked, ["gw"]);
  });
});
