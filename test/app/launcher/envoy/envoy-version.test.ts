import assert from "node:assert/strict";
import { test } from "node:test";
import {
  byVersion,
  formatVersion,
  isSupported,
  parseEnvoyVersion,
} from "../../../../src/app/launcher/envoy/envoy-version.ts";

const printed = (version: string): string =>
  `\n/usr/bin/envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/${version}/Clean/RELEASE/BoringSSL\n\n`;

test("parseEnvoyVersion() reads what `envoy --version` prints", () => {
  assert.deepEqual(parseEnvoyVersion(printed("1.40.0")), { major: 1, minor: 40, patch: 0 });
  assert.deepEqual(parseEnvoyVersion(printed("1.36.4-dev")), { major: 1, minor: 36, patch: 4 });
});

for (const text of ["", "git version 2.43.0", "nginx version: nginx/1.26.0"]) {
  test(`parseEnvoyVersion() takes ${JSON.stringify(text)} for no Envoy`, () => {
    assert.equal(parseEnvoyVersion(text), undefined);
  });
}

for (const [version, expected] of [
  ["1.35.9", false],
  ["1.36.0", true],
  ["1.40.7", true],
  ["1.41.0", false],
  ["2.38.0", false],
] as const) {
  test(`isSupported() is ${expected} for ${version}`, () => {
    const parsed = parseEnvoyVersion(printed(version));
    assert.ok(parsed);
    assert.equal(isSupported(parsed), expected);
  });
}

test("byVersion() puts the newest first, by number", () => {
  const all = ["1.9.10", "1.40.0", "1.40.2", "1.39.11"].map((version) => {
    const parsed = parseEnvoyVersion(printed(version));
    assert.ok(parsed);
    return parsed;
  });
  assert.deepEqual(all.sort(byVersion).map(formatVersion), [
    "1.40.2",
    "1.40.0",
    "1.39.11",
    "1.9.10",
  ]);
});
