import type { Peer } from "../../mesh/ports.ts";
import { parseCertificate } from "../../trust/certificate.ts";
import { formatCharterFile } from "../../trust/charter-file.ts";
import { toPem } from "../../trust/pem.ts";
import { judgeLeaf } from "../../trust/svid-rules.ts";
import type { IssueResponse } from "../../xds/issuing.ts";
import type { BundleResponse } from "../../xds/joining.ts";
import { parseHttpsBody, proofIn } from "./https-body.ts";
import type { IssueDesk } from "./issue-desk.ts";
import type { MemberDesk } from "./member-desk.ts";
import type { RenewalDesk } from "./renewal-desk.ts";

export interface HttpsRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly contentType: string;
  readonly accept: string;
  readonly body: Uint8Array;
  /** IP literal. */
  readonly address: string;
  /** Whom the connection's certificate proves. */
  readonly peer: Peer | undefined;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface HttpsDesks {
  readonly bundle: () => BundleResponse;
  readonly issuing: IssueDesk;
  readonly renewal: RenewalDesk;
  readonly members: MemberDesk;
}

type Route = (request: HttpsRequest, desks: HttpsDesks) => Promise<HttpsAnswer>;

const pemType = "application/x-pem-file";

/**
 * The identity service for those that speak no gRPC: the same questions as JSON or forms, answered in JSON or,
 * for who accepts `application/x-pem-file`, with the certificates alone. Undefined: there is no such page.
 */
export function routeOf({ method, path }: HttpsRequest): Route | undefined {
  return routes.get(`${method} ${path}`);
}

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  [
    "GET /v1/bundle",
    async ({ accept }, { bundle }) => {
      const { agentId, bundle: roots } = bundle();
      return certificates(accept, { pem: pemOf(roots), json: { agentId, bundle: pemOf(roots) } });
    },
  ],
  [
    "POST /v1/issue",
    async (request, { issuing }) => {
      const words = parseHttpsBody({ bytes: request.body, contentType: request.contentType });
      const { csr, workloadGroup } = words;
      const asked = { csr, proof: proofIn(words), workloadGroup };
      return issued(request, await issuing.answer(asked, request.address));
    },
  ],
  [
    "POST /v1/renew",
    async (request, { renewal }) => {
      const { csr } = parseHttpsBody({ bytes: request.body, contentType: request.contentType });
      return issued(request, await renewal.answer(request.peer, csr));
    },
  ],
  [
    "POST /v1/join",
    async (request, { members }) => {
      const { csr, joinToken, member } = parseHttpsBody({
        bytes: request.body,
        contentType: request.contentType,
      });
      const asked = { csr, token: joinToken, member };
      const { chain, bundle, charter } = await members.answer(asked, request);
      const pem = pemOf(chain);
      const json = { chain: pem, bundle: pemOf(bundle), charter: formatCharterFile(charter) };
      return certificates(request.accept, { pem, json });
    },
  ],
]);

function issued({ accept }: HttpsRequest, answer: IssueResponse): HttpsAnswer {
  const [leafDer = new Uint8Array()] = answer.chain;
  const leaf = parseCertificate(leafDer);
  const verdict = judgeLeaf(leaf);
  const pem = pemOf(answer.chain);
  const { workloadGroup = "" } = answer;
  const json = {
    ...(verdict.t === "ok" ? { id: verdict.id } : {}),
    ...(workloadGroup === "" ? {} : { workloadGroup }),
    notAfter: new Date(leaf.notAfterMs).toISOString(),
    chain: pem,
    bundle: pemOf(answer.bundle),
  };
  return certificates(accept, { pem, json });
}

function certificates(
  accept: string,
  answer: { readonly pem: string; readonly json: object },
): HttpsAnswer {
  return accept.includes(pemType)
    ? { status: 200, type: pemType, body: answer.pem }
    : { status: 200, type: "application/json", body: `${JSON.stringify(answer.json)}\n` };
}

function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => toPem("CERTIFICATE", der)).join("");
}
