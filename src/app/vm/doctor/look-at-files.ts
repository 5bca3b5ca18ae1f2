import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, reasonOf } from "../../../mesh/errors.ts";
import type { Identity } from "../../../mesh/ports.ts";
import { loadIdentity } from "../../../trust/io/identity-store.ts";
import { readKeyFile } from "../../../trust/io/safe-files.ts";
import { checkFiles } from "../../check/check-files.ts";
import { bad, type Diagnosis, good, odd } from "./diagnosis.ts";

/** Rights of the folder and of each key in it, and what is wrong in sidecar.yaml. */
export async function lookAtFiles(dir: string): Promise<readonly Diagnosis[]> {
  const folder = await lookAtFolder(dir);
  if (folder.state === "error") return [folder];
  const keys = await lookAtKeys(join(dir, "svid"));
  return [folder, ...keys, ...(await lookAtConfig(join(dir, "sidecar.yaml")))];
}

async function lookAtFolder(dir: string): Promise<Diagnosis> {
  try {
    const { mode } = await stat(dir);
    const text = `mode 0${(mode & 0o777).toString(8)}`;
    if ((mode & 0o077) === 0) return good("VM_FOLDER", dir, text);
    return bad("VM_FOLDER", {
      subject: dir,
      found: `${text}: others may look into it, or put another key in the place of ours`,
      todo: `chmod 700 ${dir}`,
    });
  } catch (thrown) {
    const isAbsent = codeOf(thrown) === "ENOENT";
    return bad("VM_FOLDER", {
      subject: dir,
      found: isAbsent ? "there is no such folder" : reasonOf(thrown),
      todo: isAbsent ? "join with isthmus vm join, or name its --dir" : "run this as root",
    });
  }
}

async function lookAtKeys(dir: string): Promise<readonly Diagnosis[]> {
  const names = await readdir(dir).catch((): string[] => []);
  const keys = names.filter((name) => name.endsWith(".key")).sort();
  const looked = await Promise.all(keys.map((name) => lookAtKey(join(dir, name))));
  const wrong = looked.filter((one) => one !== undefined);
  return wrong.length > 0
    ? wrong
    : [good("VM_FILES", dir, `${keys.length} private files, nobody else can read them`)];
}

async function lookAtKey(file: string): Promise<Diagnosis | undefined> {
  try {
    await readKeyFile(file);
    return undefined;
  } catch (thrown) {
    return bad("VM_FILES", {
      subject: file,
      found: reasonOf(thrown),
      todo: "chmod 600, owned by the user that runs isthmus; if others could read it: isthmus vm leave, then join with a new token",
    });
  }
}

async function lookAtConfig(file: string): Promise<readonly Diagnosis[]> {
  const findings = await checkFiles([file]).catch((thrown: unknown) => [
    {
      code: "CONFIG_INVALID",
      severity: "error" as const,
      subject: file,
      message: reasonOf(thrown),
    },
  ]);
  const wrong = findings.filter(({ severity }) => severity !== "info");
  if (wrong.length === 0) return [good("VM_FILES", file, "can be run")];
  return wrong.map(({ severity, subject, message }) => {
    const what = {
      subject,
      found: message,
      todo: "run isthmus vm join again: it writes the file anew",
    };
    return severity === "error" ? bad("VM_FILES", what) : odd("VM_FILES", what);
  });
}

/** Undefined identity: there is none that could be shown to anybody. */
export async function lookAtCertificate(
  dir: string,
  nowMs: number,
): Promise<{ readonly identity: Identity | undefined; readonly diagnosis: Diagnosis }> {
  const subject = join(dir, "svid");
  try {
    const identity = await loadIdentity(subject);
    return { identity, diagnosis: judge(identity, { subject, nowMs }) };
  } catch (thrown) {
    const todo = "join with a new token: isthmus vm join --token-file F";
    return {
      identity: undefined,
      diagnosis: bad("VM_CERTIFICATE", { subject, found: reasonOf(thrown), todo }),
    };
  }
}

function judge(
  { id, notBeforeMs, notAfterMs }: Identity,
  { subject, nowMs }: { readonly subject: string; readonly nowMs: number },
): Diagnosis {
  const until = `until ${new Date(notAfterMs).toISOString()}`;
  if (notAfterMs <= nowMs) {
    return bad("VM_CERTIFICATE", {
      subject,
      found: `${id} was good ${until}`,
      todo: "if this machine's clock is right, join with a new token: isthmus vm join --token-file F",
    });
  }
  // It is renewed at half of its life; where three quarters are gone, that has failed for long.
  const passed = (nowMs - notBeforeMs) / (notAfterMs - notBeforeMs);
  if (passed < 0.75) return good("VM_CERTIFICATE", subject, `${id} ${until}`);
  return odd("VM_CERTIFICATE", {
    subject,
    found: `${id} ${until}, and was not renewed at half of its life`,
    todo: "see why in the sidecar's log (journalctl -u isthmus-vm), and whether it reaches an agent",
  });
}
