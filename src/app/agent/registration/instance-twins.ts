import type { Clock } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { Registrant } from "../../../proxy/registration-desk.ts";

/** Tells machines that were copied with their instance secret from one that comes back. */
export interface InstanceTwins {
  /** A stream begins while that instance has one. */
  readonly note: (key: string, by: Registrant) => void;
  readonly findings: () => readonly Finding[];
}

// Twins throw each other out again and again, each after its own pause of up to a quarter of a minute.
const takeovers = 4;
const withinMs = 120_000;

interface Seen {
  readonly name: string;
  readonly group: string;
  readonly times: readonly number[];
  readonly addresses: ReadonlySet<string>;
}

export function watchTwins({ monotonicMs }: Clock): InstanceTwins {
  const seen = new Map<string, Seen>();
  const recent = (times: readonly number[]): readonly number[] =>
    times.filter((atMs) => monotonicMs() - atMs < withinMs);
  return {
    note: (key, { registration, remoteAddress }) => {
      const before = seen.get(key);
      const times = [...recent(before?.times ?? []), monotonicMs()].slice(-takeovers);
      const kept = times.length === 1 ? [] : [...(before?.addresses ?? [])].slice(-takeovers);
      const addresses = new Set([...kept, `${registration.address} from ${remoteAddress}`]);
      seen.set(key, { name: registration.name, group: registration.group, times, addresses });
    },
    findings: () => {
      for (const [key, { times }] of seen) if (recent(times).length === 0) seen.delete(key);
      return [...seen.values()]
        .filter(({ times, addresses }) => recent(times).length >= takeovers && addresses.size > 1)
        .map(
          ({ name, group, addresses }): Finding => ({
            code: "REGISTRATION_INSTANCE_SHARED",
            severity: "error",
            subject: `${group} ${name}`,
            message: `machines at ${[...addresses].join(", ")} take turns as one workload; delete instance.key in the identity folder of the copies`,
          }),
        );
    },
  };
}
