import { charterMember } from "../../../mesh/charter.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { parseMemberName } from "../../../mesh/ids.ts";
import { maxCharterBytes } from "../../../trust/charter-codec.ts";
import { withStanding } from "../../../trust/charter-edit.ts";
import { formatCharterFile, parseCharterFile } from "../../../trust/charter-file.ts";
import type { CharterAnswer } from "../../api-model.ts";
import type { HttpRoute } from "../../http-server.ts";
import { didYouMean } from "../../nearest.ts";
import type { AgentView } from "../agent-view.ts";

type DeskView = Pick<AgentView, "config" | "desk" | "clock">;

/** The charter in force, one that was made offline, and who is put out. */
export function deskRoutes(view: DeskView): readonly HttpRoute[] {
  const { desk } = view;
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
    {
      path: "/api/v1/members/:name/deny",
      isChange: true,
      answer: async ({ text }) => ({ t: "json", body: await deny(view, text("name") ?? "") }),
    },
  ];
}

/** Throws MESH_USAGE, MESH_NOT_FOUND and as `CharterDesk.raise`. */
async function deny({ config, desk, clock }: DeskView, written: string): Promise<CharterAnswer> {
  const name = parseMemberName(written);
  if (name === config.member.name) {
    throw new MeshError(
      "MESH_USAGE",
      `Cannot deny member "${name}": it is this agent's own; ask the agent of another member`,
    );
  }
  const { charter } = desk.current();
  const entry = charterMember(charter, name);
  if (entry === undefined) {
    const hint = didYouMean(
      name,
      charter.members.map((one) => one.name),
    );
    throw new MeshError(
      "MESH_NOT_FOUND",
      `Cannot deny member "${name}": the charter does not have it${hint}`,
    );
  }
  if (entry.state === "denied") return { number: charter.number };
  const nowMs = clock.nowMs();
  const next = await desk.raise((current) =>
    withStanding(current, { name, state: "denied", nowMs }),
  );
  return { number: next.charter.number };
}
