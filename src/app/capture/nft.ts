import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { codeOf, MeshError } from "../../mesh/errors.ts";
import { applyScript, type CaptureRules, removeScript, tableName } from "./nft-rules.ts";

/** Atomic: all of it is in force, or what was before. Throws MESH_CAPTURE_FAILED. */
export async function applyCapture(rules: CaptureRules): Promise<void> {
  await changed("apply the rules of capture", applyScript(rules));
}

/** Throws MESH_CAPTURE_FAILED. */
export async function removeCapture(): Promise<void> {
  await changed("remove the rules of capture", removeScript());
}

/** What is in force, as nft prints it; undefined: nothing of ours. Throws MESH_CAPTURE_FAILED. */
export async function shownCapture(): Promise<string | undefined> {
  const listed = await nft(["list", "table", ...tableName.split(" ")]);
  if (listed.code === 0) return listed.out;
  if (/no such file or directory/i.test(listed.err)) return undefined;
  throw failure("show the rules of capture", listed.err);
}

async function changed(what: string, script: string): Promise<void> {
  const { code, err } = await nft(["-f", "-"], script);
  if (code !== 0) throw failure(what, err);
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function nft(words: readonly string[], input = ""): Promise<Ran> {
  // Root's PATH has it, that of others seldom.
  const path = [process.env["PATH"], "/usr/sbin", "/sbin"].filter(Boolean).join(":");
  const child = spawn("nft", words, { env: { PATH: path, LC_ALL: "C" } });
  const failed = once(child, "error").then(([error]: unknown[]) => {
    throw error;
  });
  // It may end before it has read all.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  try {
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    const [out, err, [code]] = await Promise.race([ended, failed]);
    return { code: code as number | null, out, err };
  } catch (cause) {
    const truth =
      codeOf(cause) === "ENOENT"
        ? "there is no program nft here; install nftables, or run this in an image that has it"
        : String(cause);
    throw new MeshError("MESH_CAPTURE_FAILED", `Cannot run nft: ${truth}`, { cause });
  }
}

function failure(what: string, err: string): MeshError {
  const [first = "nft says nothing"] = err.split("\n").filter((line) => line.trim() !== "");
  return new MeshError(
    "MESH_CAPTURE_FAILED",
    `Cannot ${what}: ${remedyFor(err)} (nft: ${first.trim()})`,
  );
}

function remedyFor(err: string): string {
  if (/not permitted|permission denied/i.test(err)) {
    return "this process lacks CAP_NET_ADMIN for this network namespace; run it as root, or give an init container that capability";
  }
  if (/not supported|no such file or directory|could not process rule/i.test(err)) {
    return "this kernel lacks what the rules need; they need Linux 5.2 or newer with nf_tables, its NAT, redirect and fib for IPv4 and IPv6";
  }
  return "nft refused the rules";
}
