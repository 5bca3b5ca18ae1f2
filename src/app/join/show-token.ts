import { openAgentChannel } from "../../dataplane/io/agent-channel.ts";
import type { SvidAnswer } from "../../trust/io/renewal.ts";
import { decodeIssueResponse, encodeIssueRequest, issuePath } from "../../xds/issuing.ts";
import {
  decodeJoinMemberResponse,
  encodeJoinMemberRequest,
  type JoinMemberResponse,
  joinMemberPath,
} from "../../xds/joining.ts";
import { type AgentCall, callAgent } from "../launcher/agent-call.ts";
import { spiffeIdOf } from "../launcher/spiffe-id-of.ts";
import { askInTurn, type JoinAt } from "./ask-in-turn.ts";
import type { PinnedAgent } from "./pinned-agent.ts";

export interface JoinedVm {
  readonly svid: SvidAnswer;
  /** `namespace/name` of the WorkloadGroup that the token is bound to. */
  readonly workloadGroup: string;
  /** Who issued it: whom to ask from now on. */
  readonly agent: PinnedAgent;
}

/**
 * Buys a VM its first certificate. Asked again with the same key it gets one again, should the answer be lost;
 * with another key the token is used up. Throws MESH_JOIN_…, MESH_UNREACHABLE and MESH_TRUST_….
 */
export async function joinVm(
  options: JoinAt & {
    /** PKCS#10, DER. */
    readonly csr: Uint8Array;
    /** `namespace/name` that this VM was set up for; refused where the token says otherwise. */
    readonly workloadGroup?: string;
  },
): Promise<JoinedVm> {
  const { csr, token, workloadGroup = "" } = options;
  const proof = { t: "join-token", token } as const;
  const { agent, answer } = await askInTurn(options, (pinned) =>
    call(pinned, {
      path: issuePath,
      encode: encodeIssueRequest,
      decode: decodeIssueResponse,
      request: { csr, proof, workloadGroup },
      what: "get an SVID",
    }),
  );
  const { chain, bundle, renewPhase, workloadGroup: bound = "" } = answer;
  const svid: SvidAnswer = {
    chainDer: chain,
    bundleDer: bundle,
    ...(renewPhase === undefined ? {} : { renewPhase }),
  };
  return { svid, workloadGroup: bound, agent };
}

/** Buys a member its intermediate and the charter. Otherwise as `joinVm`. */
export async function joinMember(
  options: JoinAt & {
    /** PKCS#10 of the member's issuing key, DER. */
    readonly csr: Uint8Array;
    /** Refused where the token says otherwise. */
    readonly member?: string;
  },
): Promise<{ readonly agent: PinnedAgent; readonly answer: JoinMemberResponse }> {
  const { csr, token, member = "" } = options;
  return await askInTurn(options, (pinned) =>
    call(pinned, {
      path: joinMemberPath,
      encode: encodeJoinMemberRequest,
      decode: decodeJoinMemberResponse,
      request: { csr, token, member },
      what: "join",
    }),
  );
}

async function call<Request, Response>(
  { agent, agentId, bundlePem }: PinnedAgent,
  request: AgentCall<Request, Response>,
): Promise<Response> {
  const client = openAgentChannel({ agent, agentId, identity: { bundlePem }, spiffeIdOf });
  return await callAgent({ agent, client }, request);
}
