/** A fleet that began at one instant renews for days on an injected clock: how busy is its busiest minute? */
import { holderOf } from "../src/mesh/holder.ts";
import { parseMemberName, parseMeshDomain, parseSpiffeId, trustDomainOf } from "../src/mesh/ids.ts";
import type { Log } from "../src/mesh/ports.ts";
import { bundleOf } from "../src/trust/bundle.ts";
import { createCsr } from "../src/trust/csr.ts";
import { identityOf } from "../src/trust/identity.ts";
import { newPrivateKey } from "../src/trust/io/new-key.ts";
import { renewIdentity, type SvidAnswer } from "../src/trust/io/renewal.ts";
import { createRoot, issueIntermediate } from "../src/trust/issue.ts";
import { issueProven } from "../src/trust/issuer.ts";
import { spkiOf } from "../src/trust/keys.ts";
import { evenPhases } from "../src/trust/renewal-times.ts";
import { signerOf } from "../src/trust/signer.ts";
import { report } from "./report.ts";

const fleet = Number(process.env["ISTHMUS_BENCH_FLEET"] ?? 10_000);
const lives = Number(process.env["ISTHMUS_BENCH_LIVES"] ?? 3);
const minuteMs = 60_000;
const halfLifeMs = 43_200_000;

const mesh = parseMeshDomain("acme.mesh");
const member = parseMemberName("east");
const id = parseSpiffeId(`spiffe://${trustDomainOf(member, mesh)}/ns/shop/sa/cart`);
const beganMs = Math.floor(Date.now() / 1000) * 1000;
const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const rootSigner = signerOf(newPrivateKey());
const root = {
  signer: rootSigner,
  certificate: await createRoot({ mesh, signer: rootSigner, nowMs: beganMs }),
};
const signer = signerOf(newPrivateKey());
const spki = spkiOf(signer.publicKey);
const certificate = await issueIntermediate({ root, member, mesh, spki, nowMs: beganMs });
const issuer = { certificate, signer };
const bundle = bundleOf([root.certificate.der]);

/** Whoever sleeps is woken when the clock, which somebody else moves, is there. */
class Sleepers {
  nowMs = beganMs;
  readonly #bySecond = new Map<number, (() => void)[]>();

  readonly sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const second = Math.ceil((this.nowMs + ms) / 1000);
      const others = this.#bySecond.get(second);
      if (others === undefined) this.#bySecond.set(second, [resolve]);
      else others.push(resolve);
    });

  /** One second on; resolves when all who woke have gone to sleep again. */
  async tick(isIdle: () => boolean): Promise<void> {
    this.nowMs += 1000;
    const second = this.nowMs / 1000;
    for (const wake of this.#bySecond.get(second) ?? []) wake();
    this.#bySecond.delete(second);
    do await new Promise((resolve) => setImmediate(resolve));
    while (!isIdle());
  }
}

/** Per life, how many renewed in each minute; by what the agent answers, or by what each draws for itself. */
async function renewals(
  phases: (() => number) | undefined,
): Promise<readonly Map<number, number>[]> {
  const time = new Sleepers();
  const stop = new AbortController();
  const perLife = Array.from({ length: lives }, () => new Map<number, number>());
  let inFlight = 0;
  let left = fleet * lives;
  const answer = async (csrDer: Uint8Array): Promise<SvidAnswer> => {
    const issued = await issueProven({ csrDer, id }, { issuer, bundle, nowMs: time.nowMs });
    return phases === undefined ? issued : { ...issued, renewPhase: phases() };
  };
  const running: Promise<void>[] = [];
  for (let index = 0; index < fleet; index += 1) {
    const key = newPrivateKey();
    const holder = holderOf(identityOf(key, await answer(createCsr(key))));
    let life = 0;
    holder.onChange(() => {
      const counts = perLife[life];
      const minute = Math.floor(time.nowMs / minuteMs);
      counts?.set(minute, (counts.get(minute) ?? 0) + 1);
      life += 1;
      left -= 1;
    });
    const requestSvid = async (csr: Uint8Array): Promise<SvidAnswer> => {
      inFlight += 1;
      return await answer(csr).finally(() => {
        inFlight -= 1;
      });
    };
    const clock = { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs };
    const { sleep } = time;
    running.push(
      renewIdentity({
        holder,
        requestSvid,
        sleep,
        clock,
        random: Math.random,
        log: quiet,
        signal: stop.signal,
      }),
    );
  }
  while (left > 0) await time.tick(() => inFlight === 0);
  stop.abort();
  await time.tick(() => true);
  return perLife;
}

/** The busiest minute of each life over the mean of the time in which that life's renewals may lie. */
function ratios(perLife: readonly Map<number, number>[]): readonly number[] {
  return perLife.map((counts, life) => {
    const windowMinutes = ((life + 1) * 0.2 * halfLifeMs) / minuteMs;
    return Math.max(...counts.values()) / (fleet / windowMinutes);
  });
}

const told = await renewals(evenPhases(Math.random));
const drawn = await renewals(undefined);
report({
  claim:
    "10,000 workloads that began together renew evenly: no minute above 1.5 times the mean of its window",
  setup: { fleet, lives, lifeHours: 24, windowHours: 2.4 },
  figures: [
    {
      name: "busiest minute over the mean, each life, phases of the agent",
      unit: "ratio",
      samples: ratios(told),
      target: { atMost: 1.5 },
      judgedBy: "worst",
    },
    {
      name: "busiest minute over the mean, each life, phases drawn by each for itself",
      unit: "ratio",
      samples: ratios(drawn),
    },
  ],
});
process.exit(0);
