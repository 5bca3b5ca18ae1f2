import { maxCharterBytes } from "../../../trust/charter-codec.ts";
import { formatCharterFile, parseCharterFile } from "../../../trust/charter-file.ts";
import type { CharterAnswer } from "../../api-model.ts";
import type { HttpRoute } from "../../http-server.ts";
import type { AgentView } from "../agent-view.ts";

type DeskView = Pick<AgentView, "desk">;

/**
 * The charter in force, and one that was made elsewhere: the signature says who may change it, so that whoever
 * else is on this machine can put nobody out.
 */
export function deskRoutes({ desk }: DeskView): readonly HttpRoute[] {
  return [
    {
      path: "/api/v1/charter",
      answer: () => ({
        t: "text",
        body: formatCharterFile(desk.current().signed),
        type: "application/json",
      }),
    },
    {
      path: "/api/v1/charter",
      isChange: true,
      // As a file, in which escapes may double a text's size.
      maxBodyBytes: 2 * maxCharterBytes,
      answer: async ({ body }) => {
        const { charter } = await desk.hand(parseCharterFile(body));
        return { t: "json", body: { number: charter.number } satisfies CharterAnswer };
      },
    },
  ];
}
