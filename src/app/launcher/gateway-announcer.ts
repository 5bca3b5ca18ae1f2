import { type Client, Metadata } from "@grpc/grpc-js";
import { openAgentChannel } from "../../dataplane/io/agent-channel.ts";
import { announceEveryMs } from "../../gateway/door/own-doors.ts";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { IdentitySource, Log } from "../../mesh/ports.ts";
import {
  type AnnounceRequest,
  type AnnounceResponse,
  announcePath,
  decodeAnnounceResponse,
  encodeAnnounceRequest,
} from "../../xds/announce.ts";
import { spiffeIdOf } from "./spiffe-id-of.ts";

export interface AnnouncerOptions {
  /** All agents of this member: each must know, one of them publishes. */
  readonly agents: readonly HostPort[];
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  /** What leads here. */
  readonly address: HostPort;
  /** Tells this process from others behind that address. */
  readonly instance: string;
  readonly log: Log;
}

export type Farewell =
  /** Others open no new connections, but for the missing ones. */
  | { readonly t: "told"; readonly missing: readonly string[] }
  /** No agent has the address, or others still serve behind it: nobody but the load balancer is to be told. */
  | { readonly t: "not-needed" }
  | { readonly t: "unreachable"; readonly reason: string };

const timeoutMs = 3_000;

/** Tells the agents every few seconds that this gateway serves, and at its end that it goes. */
export class GatewayAnnouncer implements Disposable {
  readonly #options: AnnouncerOptions;
  #timer: NodeJS.Timeout | undefined;
  #isLeaving = false;
  #wasUnknown = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Call it once, when the gateway listens. */
  start(): void {
    if (this.#isLeaving || this.#timer !== undefined) return;
    this.#timer = setInterval(() => void this.#serve(), announceEveryMs);
    void this.#serve();
  }

  /** Resolves when the others have confirmed, at the latest after `waitMs`. Never rejects. */
  async leave(waitMs: number): Promise<Farewell> {
    this.#isLeaving = true;
    clearInterval(this.#timer);
    const answers = await Promise.all(
      this.#options.agents.map((agent) => this.#ask(agent, { isDraining: true, waitMs })),
    );
    const told = answers.find((answer) => answer.t === "ok" && answer.response.isPublished);
    if (told?.t === "ok") return { t: "told", missing: told.response.missing };
    const failed = answers.find((answer) => answer.t === "failed");
    return failed?.t === "failed"
      ? { t: "unreachable", reason: failed.reason }
      : { t: "not-needed" };
  }

  [Symbol.dispose](): void {
    this.#isLeaving = true;
    clearInterval(this.#timer);
  }

  async #serve(): Promise<void> {
    const { agents, address, log } = this.#options;
    const answers = await Promise.all(
      agents.map((agent) => this.#ask(agent, { isDraining: false, waitMs: 0 })),
    );
    const isUnknown = answers.some((answer) => answer.t === "ok" && !answer.response.isKnown);
    if (isUnknown && !this.#wasUnknown) {
      const fields = { address: formatHostPort(address) };
      log.info(fields, "No gateway address of the agent: others are not told when this one drains");
    }
    this.#wasUnknown ||= isUnknown;
  }

  /** A connection for each call: the identity that counts now, and nothing to look after. */
  async #ask(
    agent: HostPort,
    what: Pick<AnnounceRequest, "isDraining" | "waitMs">,
  ): Promise<
    | { readonly t: "ok"; readonly response: AnnounceResponse }
    | { readonly t: "failed"; readonly reason: string }
  > {
    const { agentId, identity, address, instance } = this.#options;
    const client = openAgentChannel({ agent, agentId, identity, spiffeIdOf });
    const request = { address: formatHostPort(address), instance, ...what };
    try {
      return { t: "ok", response: await call(client, request) };
    } catch (thrown) {
      return { t: "failed", reason: reasonOf(thrown) };
    } finally {
      client.close();
    }
  }
}

function call(client: Client, request: AnnounceRequest): Promise<AnnounceResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<AnnounceRequest, AnnounceResponse>(
      announcePath,
      encodeAnnounceRequest,
      decodeAnnounceResponse,
      request,
      new Metadata(),
      { deadline: Date.now() + request.waitMs + timeoutMs },
      (error, response) => {
        if (error !== null) reject(error);
        else if (response === undefined) reject(new Error("the answer is empty"));
        else resolve(response);
      },
    );
  });
}
