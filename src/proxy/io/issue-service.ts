import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import {
  decodeIssueRequest,
  encodeIssueResponse,
  type IssueRequest,
  type IssueResponse,
  issuePath,
} from "../../xds/issuing.ts";
import type { IssueDesk } from "../identity/issue-desk.ts";
import { addressOf } from "../identity/remote-address.ts";
import { refusalOf } from "./identity-refusal.ts";

/** Serves `isthmus.identity.v1.IdentityService/Issue`, to callers that have no certificate. */
export function registerIssuing(server: Server, desk: IssueDesk): void {
  server.register<IssueRequest, IssueResponse>(
    issuePath,
    (call: ServerUnaryCall<IssueRequest, IssueResponse>, reply: sendUnaryData<IssueResponse>) => {
      void desk.answer(call.request, addressOf(call.getPeer())).then(
        (response) => reply(null, response),
        (error: unknown) => reply(refusalOf(error)),
      );
    },
    encodeIssueResponse,
    decoded,
    "unary",
  );
}

const nothing: IssueRequest = { csr: new Uint8Array(), proof: undefined };

/** Nothing instead of a throw: the library would answer INTERNAL to what is the caller's fault. */
function decoded(bytes: Buffer): IssueRequest {
  try {
    return decodeIssueRequest(bytes);
  } catch {
    return nothing;
  }
}
