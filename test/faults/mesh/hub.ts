import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Region, Regions } from "../../support/regions/regions.ts";
import { hosts, ports } from "./plan.ts";

const startLimitMs = 20_000;

/** One region's Redis, and what an accident does to it. */
export class Hub {
  readonly #regions: Regions;
  readonly #region: Region;
  #child: ChildProcess | undefined;

  constructor(regions: Regions, region: Region) {
    this.#regions = regions;
    this.#region = region;
  }

  get url(): string {
    return `redis://${this.#address}:${ports.redis}`;
  }

  get #address(): string {
    return this.#regions.address(this.#region, hosts.redis);
  }

  /** With what was saved last, if anything was. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const dir = join(this.#regions.dir, `redis-${this.#region}`);
    await mkdir(dir, { recursive: true });
    const bind = ["--bind", this.#address, "--port", String(ports.redis), "--protected-mode", "no"];
    const command = ["redis-server", ...bind, "--save", "", "--dir", dir];
    this.#child = this.#regions.spawn(this.#region, command, { stdio: "ignore" });
    const deadlineMs = Date.now() + startLimitMs;
    while (!(await this.command("PING").catch(() => "")).startsWith("PONG")) {
      if (Date.now() > deadlineMs) throw new Error(`The hub of ${this.#region} does not start`);
      await wait(50);
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** It keeps its connections and answers nothing. */
  hang(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** One command by `redis-cli`; its answer as text. */
  async command(...words: readonly string[]): Promise<string> {
    const at = ["-h", this.#address, "-p", String(ports.redis)];
    return await this.#regions.exec(this.#region, ["timeout", "5", "redis-cli", ...at, ...words]);
  }
}
