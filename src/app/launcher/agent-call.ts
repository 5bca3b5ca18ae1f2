import { type Client, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { type ErrorCode, errorCodes, MeshError, reasonOf } from "../../mesh/errors.ts";
import { codeTrailer } from "../../xds/issuing.ts";

/** One unary call of an agent's identity service. */
export interface AgentCall<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  /** Throws on bytes that are no such message. */
  readonly decode: (bytes: Buffer) => Response;
  readonly request: Request;
  /** `get an SVID`, for the sentence when it fails. */
  readonly what: string;
  readonly signal?: AbortSignal;
}

// Signing takes a millisecond; an agent that needs longer is gone.
const timeoutMs = 10_000;

/**
 * Calls once and closes the client. Throws what the agent refuses with, and MESH_UNREACHABLE when whatever
 * answers is no agent of this version.
 */
export async function callAgent<Request, Response>(
  open: { readonly agent: HostPort; readonly client: Client },
  call: AgentCall<Request, Response>,
): Promise<Response> {
  const { agent, client } = open;
  try {
    return await answerTo(client, call);
  } catch (cause) {
    const where = formatHostPort(agent);
    const truth = `Cannot ${call.what} at agent ${where}: ${sentenceOf(cause)}`;
    throw new MeshError(codeIn(cause), truth, { cause });
  } finally {
    client.close();
  }
}

/** Whether nobody said anything in time: an agent that has much to do, or nobody. */
export function isTimeout({ cause }: MeshError): boolean {
  return isServiceError(cause) && cause.code === status.DEADLINE_EXCEEDED;
}

function answerTo<Request, Response>(
  client: Client,
  { path, encode, decode, request, signal }: AgentCall<Request, Response>,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const call = client.makeUnaryRequest<Request, Response>(
      path,
      encode,
      decode,
      request,
      new Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        signal?.removeEventListener("abort", cancel);
        if (error !== null) reject(error);
        else if (response === undefined) reject(new Error("the answer is empty"));
        else resolve(response);
      },
    );
    const cancel = (): void => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/** The agent's own sentence where it has one, without gRPC's number before it. */
function sentenceOf(cause: unknown): string {
  return isServiceError(cause) ? withoutNoise(cause.details) : reasonOf(cause);
}

/** What the gRPC library wraps around the reason why there is no connection. */
function withoutNoise(details: string): string {
  if (details.includes("wrong version number")) return "what listens there speaks no TLS";
  if (details.startsWith("Deadline exceeded")) return `no answer for ${timeoutMs / 1000} s`;
  const [, reason] = /^No connection established\. Last error: (.*)$/s.exec(details) ?? [];
  if (reason === undefined) return details;
  const plain = reason.replace(/\s*\. Resolution note: \s*$/s, "").replace(/^Error: /, "");
  const isOfTime = /certificate (is not yet valid|has expired)/.test(plain);
  const hint = isOfTime ? "; compare this machine's clock with the agent's" : "";
  return `no connection: ${plain.trim().replace(/\.$/, "")}${hint}`;
}

function codeIn(cause: unknown): ErrorCode {
  const metadata = isServiceError(cause) ? cause.metadata.get(codeTrailer) : [];
  return errorCodes.find((code) => code === metadata[0]) ?? "MESH_UNREACHABLE";
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && "metadata" in thrown && thrown.metadata instanceof Metadata;
}
