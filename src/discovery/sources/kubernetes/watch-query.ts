import type { Random } from "../../../mesh/ports.ts";
import type { FollowRequest } from "./follower.ts";

// The server ends watches after this time, so that connections spread over its replicas again.
const watchSeconds = { min: 300, spread: 300 } as const;

/** The query of a GET that asks for that. Source: Kubernetes API concepts. */
export function watchQuery(request: FollowRequest, random: Random): string {
  return new URLSearchParams(parametersOf(request, random)).toString();
}

function parametersOf(request: FollowRequest, random: Random): Record<string, string> {
  switch (request.t) {
    case "list-page": {
      const { limit, token } = request;
      return { limit: String(limit), ...(token === undefined ? {} : { continue: token }) };
    }
    case "list-stream":
      return {
        ...watching(random),
        sendInitialEvents: "true",
        resourceVersionMatch: "NotOlderThan",
      };
    case "watch":
      return { ...watching(random), resourceVersion: request.version };
  }
}

function watching(random: Random): Record<string, string> {
  const seconds = watchSeconds.min + Math.floor(random() * watchSeconds.spread);
  return { watch: "1", allowWatchBookmarks: "true", timeoutSeconds: String(seconds) };
}
