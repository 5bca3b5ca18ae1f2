import type { SignedCharter } from "../../../mesh/charter.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { Log } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { loadCharterOf } from "../../../trust/io/member-files.ts";
import type { MemberIssuer } from "../../../trust/io/member-issuer.ts";

/** The member's folder, into which people may bring the next issuer while the agent runs. */
export interface IssuerFolder {
  readonly look: () => Promise<void>;
  readonly findings: () => readonly Finding[];
}

/** A charter that comes with the issuer is taken first: it is what lists it. */
export function watchIssuerFolder(options: {
  readonly dir: string;
  readonly issuer: MemberIssuer;
  readonly takeCharter: (signed: SignedCharter) => Promise<unknown>;
  readonly log: Log;
}): IssuerFolder {
  const { dir, issuer, takeCharter, log } = options;
  let problem: string | undefined;
  return {
    look: async () => {
      try {
        if (!(await issuer.isReplaced())) return;
        await takeCharter((await loadCharterOf(dir)).signed).catch(() => undefined);
        await issuer.reload();
        const { notAfterMs } = issuer.current().certificate;
        log.info({ file: dir, notAfterMs }, "Issuer taken over from its folder");
        problem = undefined;
      } catch (thrown) {
        const reason = reasonOf(thrown);
        // Half of two files that are being copied is no reason to cry: the next look finds both.
        if (reason !== problem) log.warn({ file: dir, reason }, "Issuer in its folder not usable");
        problem = reason;
      }
    },
    findings: () => (problem === undefined ? [] : [unusable(dir, problem)]),
  };
}

function unusable(subject: string, reason: string): Finding {
  const message = `member.pem was replaced, and the issuer before it stays in use: ${reason}`;
  return { code: "TRUST_ISSUER_UNUSABLE", severity: "error", subject, message };
}
