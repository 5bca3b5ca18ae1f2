/** What `envoy --version` prints, as far as it matters. */
export interface EnvoyVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

// Tests run the newest and the oldest. Before 1.36 a ClientHello that is no TLS held a connection for the whole
// timeout; what comes after 1.40 nobody has tried.
const oldestMinor = 36;
const newestMinor = 40;
export const supportedEnvoys: string = `1.${oldestMinor} to 1.${newestMinor}`;

/** `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`; undefined when that is no Envoy's word. */
export function parseEnvoyVersion(text: string): EnvoyVersion | undefined {
  const match = /version: [0-9a-f]+\/(\d+)\.(\d+)\.(\d+)(?:-[\w.]+)?\//.exec(text);
  if (match === null) return undefined;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  return { major, minor, patch };
}

export function isSupported({ major, minor }: EnvoyVersion): boolean {
  return major === 1 && minor >= oldestMinor && minor <= newestMinor;
}

export function formatVersion({ major, minor, patch }: EnvoyVersion): string {
  return `${major}.${minor}.${patch}`;
}

/** Newest first. */
export function byVersion(left: EnvoyVersion, right: EnvoyVersion): number {
  return right.major - left.major || right.minor - left.minor || right.patch - left.patch;
}
