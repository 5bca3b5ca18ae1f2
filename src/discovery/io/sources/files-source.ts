import { normalize } from "node:path";
import { MeshError } from "../../../mesh/errors.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { SourceEvents, WorkloadSource } from "../../source.ts";
import { hasNews } from "../../source.ts";
import type { Inventory } from "../../sources/inventory/inventory.ts";
import { createInventory } from "../../sources/inventory/inventory.ts";
import { mayBeUnfinished, readManifest } from "../../sources/manifests/manifest.ts";
import type { SourceFinding } from "../../sources/source-finding.ts";
import type { FolderWatch } from "./folder-watch.ts";
import { watchFolder } from "./folder-watch.ts";
import type { FileReading, FolderListing } from "./manifest-files.ts";
import { listManifestFiles, readManifestFile } from "./manifest-files.ts";

export interface FilesSourceOptions {
  /** The folder as the operator wrote it; findings name files below it the same way. */
  readonly folder: string;
  /** Looks at the folder at least this often: some file systems send no events. */
  readonly pollMs?: number;
  /** False: polls only. */
  readonly watch?: boolean;
  /** How long a file that lost content has to be quiet before the loss counts. */
  readonly settleMs?: number;
  /** How long the content of a folder is kept from which every file vanished. */
  readonly emptyHoldMs?: number;
}

// Network mounts send no events; the usual case does not wait for this.
const defaultPollMs = 5000;
// Editors and `cp` write a file within a few milliseconds; a tenth of a second nobody notices.
const defaultSettleMs = 100;
// The time for which owners hold a mass withdrawal in the catalog.
const defaultEmptyHoldMs = 600_000;
// Nobody reads more, and each scan compares them.
const maxFindings = 1000;
// Enough to keep a disk busy while one file is parsed, and at most 128 MiB in memory.
const readsAtOnce = 16;
// Two writes within one tick of the kernel's clock leave the same modification time.
const raceMs = 20;

/** A watched folder of Kubernetes-shaped YAML. */
export function filesSource(options: FilesSourceOptions): WorkloadSource {
  return new FilesSource(options);
}

/** In place of the signature of a file that is not there. */
const missing = "missing";

/** A file's state on disk that the inventory reflects, or will once it was quiet for long enough. */
interface Seen {
  readonly signature: string;
  readonly sinceMs: number;
}

class FilesSource implements WorkloadSource {
  readonly name: string;
  readonly #options: Required<FilesSourceOptions>;
  readonly #inventory: Inventory = createInventory();
  readonly #accepted = new Map<string, string>();
  readonly #unsettled = new Map<string, Seen>();
  readonly #fileFindings = new Map<string, SourceFinding>();
  readonly #watch: FolderWatch;
  readonly #timers = new Set<NodeJS.Timeout>();
  #folderFindings: readonly SourceFinding[] = [];
  #events: SourceEvents | undefined;
  #lastFindings: string | undefined;
  #emptySinceMs: number | undefined;
  #scan: Promise<void> | undefined;
  #isStale = false;
  #isClosed = false;

  constructor(options: FilesSourceOptions) {
    this.name = `files:${options.folder}`;
    this.#options = {
      pollMs: defaultPollMs,
      settleMs: defaultSettleMs,
      emptyHoldMs: defaultEmptyHoldMs,
      watch: true,
      ...options,
      folder: normalize(options.folder),
    };
    this.#watch = watchFolder(this.#options.folder, () => this.#rescan());
  }

  async start(events: SourceEvents, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#events = events;
    signal.addEventListener("abort", () => this.#close(), { once: true });
    const listing = await listManifestFiles(this.#options.folder);
    if (listing.t === "unreadable") {
      this.#close();
      throw new MeshError(
        "MESH_FILE_UNREADABLE",
        `Cannot read folder "${this.#options.folder}": ${listing.reason}`,
      );
    }
    this.#follow(listing);
    await this.#take(listing, { isFirst: true });
    const poll = setInterval(() => this.#rescan(), this.#options.pollMs);
    this.#timers.add(poll.unref());
    if (this.#isClosed) clearInterval(poll);
    // What happened between the listing and the first watch left no event.
    this.#rescan();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await this.#scan;
  }

  #close(): void {
    this.#isClosed = true;
    this.#watch.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** One scan at a time; whatever happens meanwhile is one more scan after it. */
  #rescan(): void {
    this.#isStale = true;
    if (this.#scan !== undefined || this.#isClosed) return;
    this.#scan = this.#scanUntilFresh().finally(() => {
      this.#scan = undefined;
      if (this.#isStale) this.#rescan();
    });
  }

  async #scanUntilFresh(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      const listing = await listManifestFiles(this.#options.folder);
      if (this.#follow(listing)) this.#isStale = true;
      await this.#take(listing, { isFirst: false });
    }
  }

  #rescanIn(delayMs: number): void {
    if (this.#isClosed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#rescan();
    }, delayMs);
    this.#timers.add(timer);
  }

  async #take(listing: FolderListing, { isFirst }: { readonly isFirst: boolean }): Promise<void> {
    const seen = listing.t === "listed" ? listing.files : [];
    const changed = seen.filter(({ file, signature }) => this.#accepted.get(file) !== signature);
    let needsAnother = false;
    for (let at = 0; at < changed.length; at += readsAtOnce) {
      const listed = changed.slice(at, at + readsAtOnce);
      const readings = await Promise.all(listed.map(readManifestFile));
      if (this.#isClosed) return;
      for (const reading of readings) {
        const isDone = this.#accept(reading, { isFirst });
        needsAnother ||= !isDone;
      }
    }
    needsAnother = this.#dropMissing(listing) || needsAnother;
    this.#folderFindings = this.#judgeFolder(listing);
    if (needsAnother) this.#rescanIn(this.#options.settleMs);
    this.#emit({ isFirst });
  }

  /** False when the file has to be looked at again soon. */
  #accept(reading: FileReading, { isFirst }: { readonly isFirst: boolean }): boolean {
    const { file } = reading;
    if (reading.t === "gone") return false;
    if (reading.t === "refused") {
      this.#fileFindings.set(file, reading.finding);
      // Tried again with each scan: what was in the way may go without a trace on the file.
      this.#accepted.set(file, "");
      return true;
    }
    this.#fileFindings.delete(file);
    const previous = this.#inventory.manifestOf(file);
    const next = readManifest(
      { file, text: reading.text, modifiedMs: reading.modifiedMs },
      previous,
    );
    if (!isFirst && mayBeUnfinished(previous, next) && !this.#isQuiet(file, reading.signature)) {
      return false;
    }
    this.#unsettled.delete(file);
    this.#inventory.put(next);
    // A file written this very moment may be written again without a visible trace.
    const isRacy = Date.now() - reading.modifiedMs < raceMs;
    this.#accepted.set(file, isRacy ? "" : reading.signature);
    return !isRacy;
  }

  #isQuiet(file: string, signature: string): boolean {
    const nowMs = performance.now();
    const seen = this.#unsettled.get(file);
    if (seen?.signature === signature) return nowMs - seen.sinceMs >= this.#options.settleMs;
    this.#unsettled.set(file, { signature, sinceMs: nowMs });
    return false;
  }

  /** Forgets files that are gone for good; true when some may only be in the middle of a save. */
  #dropMissing(listing: FolderListing): boolean {
    // A folder that cannot be read says nothing about its files.
    if (listing.t === "unreadable" || this.#isHeldEmpty(listing)) return false;
    const present = new Set(listing.files.map(({ file }) => file));
    let isWaiting = false;
    for (const file of this.#accepted.keys()) {
      if (present.has(file) && this.#unsettled.get(file)?.signature === missing) {
        this.#unsettled.delete(file);
      }
      if (present.has(file) || listing.blind.some((folder) => file.startsWith(`${folder}/`)))
        continue;
      if (!this.#isQuiet(file, missing)) {
        isWaiting = true;
        continue;
      }
      this.#inventory.remove(file);
      for (const known of [this.#accepted, this.#unsettled, this.#fileFindings]) known.delete(file);
    }
    return isWaiting;
  }

  /** An unmounted folder looks like an empty one. */
  #isHeldEmpty(listing: Extract<FolderListing, { t: "listed" }>): boolean {
    if (listing.files.length > 0 || this.#accepted.size === 0) {
      this.#emptySinceMs = undefined;
      return false;
    }
    this.#emptySinceMs ??= performance.now();
    return performance.now() - this.#emptySinceMs < this.#options.emptyHoldMs;
  }

  #judgeFolder(listing: FolderListing): readonly SourceFinding[] {
    const subject = this.#options.folder;
    if (listing.t === "unreadable") {
      const message = `Cannot read folder "${subject}": ${listing.reason}; the last content stays in use`;
      return [{ code: "SOURCE_FOLDER_UNREADABLE", severity: "error", subject, message }];
    }
    if (this.#emptySinceMs === undefined || this.#accepted.size === 0) return listing.findings;
    const message =
      `All ${this.#accepted.size} files of folder "${subject}" vanished at once; their content stays in use for ` +
      `${this.#options.emptyHoldMs / 60_000} min; put an empty .yaml file there if it is meant`;
    return [
      ...listing.findings,
      { code: "SOURCE_FOLDER_EMPTY", severity: "error", subject, message },
    ];
  }

  #follow(listing: FolderListing): boolean {
    if (this.#isClosed || !this.#options.watch) return false;
    return this.#watch.follow(listing.t === "listed" ? listing.folders : []);
  }

  #watchFindings(): SourceFinding[] {
    return [...this.#watch.failures()].map(([subject, reason]) => {
      const message = `Cannot watch folder "${subject}": ${reason}; it is looked at every ${this.#options.pollMs} ms instead`;
      return { code: "SOURCE_WATCH_DEGRADED", severity: "warning", subject, message };
    });
  }

  #emit({ isFirst }: { readonly isFirst: boolean }): void {
    const change = this.#inventory.takeChange();
    if (isFirst) this.#events?.onChange({ policies: [], groups: [], ...change });
    else if (hasNews(change)) this.#events?.onChange(change);
    const findings: Finding[] = [
      ...this.#folderFindings,
      ...this.#watchFindings(),
      ...this.#fileFindings.values(),
      ...this.#inventory.findings(),
    ]
      .sort(bySubject)
      .slice(0, maxFindings);
    const text = JSON.stringify(findings);
    if (text === this.#lastFindings) return;
    this.#lastFindings = text;
    this.#events?.onFindings(findings);
  }
}

// Line 9 before line 10.
const order = new Intl.Collator("en", { numeric: true });

function bySubject(a: Finding, b: Finding): number {
  return order.compare(a.subject, b.subject);
}
