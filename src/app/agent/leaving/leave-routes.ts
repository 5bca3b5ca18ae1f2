import { MeshError } from "../../../mesh/errors.ts";
import { parseMemberName } from "../../../mesh/ids.ts";
import { withStanding } from "../../../trust/charter-edit.ts";
import type { LeaveAnswer } from "../../api-model.ts";
import type { HttpRoute } from "../../http-server.ts";
import type { AgentView } from "../agent-view.ts";

type LeaveView = Pick<AgentView, "config" | "core" | "desk" | "clock" | "log">;

/** `isthmus leave`: begins, tells how far it is, ends, or takes it back. */
export function leaveRoutes(view: LeaveView): readonly HttpRoute[] {
  const { leaving } = view.core;
  const status = (): LeaveAnswer => leaving.status();
  return [
    { path: "/api/v1/leave", answer: () => ({ t: "json", body: status() }) },
    {
      path: "/api/v1/leave",
      isChange: true,
      answer: async () => {
        requireWriter(view);
        leaving.start();
        await stand(view, "leaving");
        return { t: "json", body: status() };
      },
    },
    {
      path: "/api/v1/stay",
      isChange: true,
      answer: async () => {
        requireWriter(view);
        leaving.stay();
        await stand(view, "active");
        return { t: "json", body: status() };
      },
    },
  ];
}

/** Of several agents of a member one speaks for it. */
function requireWriter({ core }: LeaveView): void {
  if (core.catalog.writerStatus()?.isStandby !== true) return;
  throw new MeshError(
    "MESH_USAGE",
    "Cannot leave: another agent of this member writes for it; ask that one (isthmus status names it)",
  );
}

/** In the charter, too, where this agent may use the root; what it cannot say there counts nevertheless. */
async function stand(
  { config, desk, clock, log }: LeaveView,
  state: "active" | "leaving",
): Promise<void> {
  if (!desk.canSign) return;
  const name = parseMemberName(config.member.name);
  const nowMs = clock.nowMs();
  await desk
    .raise((current) => withStanding(current, { name, state, nowMs }))
    .catch((err: unknown) => log.warn({ err, state }, "The charter could not be told"));
}
