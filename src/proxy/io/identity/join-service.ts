import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { Peer } from "../../../mesh/ports.ts";
import {
  decodeJoinMemberRequest,
  encodeJoinMemberResponse,
  type JoinMemberRequest,
  type JoinMemberResponse,
  joinMemberPath,
} from "../../../xds/joining.ts";
import type { MemberDesk } from "../../identity/member-desk.ts";
import { addressOf } from "../../identity/remote-address.ts";
import { refusalOf } from "../identity-refusal.ts";

/** Serves `isthmus.identity.v1.IdentityService/JoinMember`. */
export function registerJoining(
  server: Server,
  options: {
    readonly desk: MemberDesk;
    readonly peerOf: (remote: string) => Peer | undefined;
  },
): void {
  const { desk, peerOf } = options;
  server.register<JoinMemberRequest, JoinMemberResponse>(
    joinMemberPath,
    (
      call: ServerUnaryCall<JoinMemberRequest, JoinMemberResponse>,
      reply: sendUnaryData<JoinMemberResponse>,
    ) => {
      const remote = call.getPeer();
      const caller = { address: addressOf(remote), peer: peerOf(remote) };
      void desk.answer(call.request, caller).then(
        (response) => reply(null, response),
        (error: unknown) => reply(refusalOf(error)),
      );
    },
    encodeJoinMemberResponse,
    decoded,
    "unary",
  );
}

const nothing: JoinMemberRequest = { csr: new Uint8Array(), token: undefined, member: "" };

/** Nothing instead of a throw: the library would answer INTERNAL to what is the caller's fault. */
function decoded(bytes: Buffer): JoinMemberRequest {
  try {
    return decodeJoinMemberRequest(bytes);
  } catch {
    return nothing;
  }
}
