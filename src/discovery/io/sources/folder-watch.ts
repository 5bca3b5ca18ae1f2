import type { FSWatcher } from "node:fs";
import { watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { reasonOf } from "../../../mesh/errors.ts";

/** Tells when something may have changed in a folder, in those below, or in what its name means. */
export interface FolderWatch {
  /**
   * Follows exactly these folders. True when one of them was not followed before, so that what
   * happened in it since it was listed left no event.
   */
  readonly follow: (folders: readonly string[]) => boolean;
  /** Folders that cannot be watched, and why. */
  readonly failures: () => ReadonlyMap<string, string>;
  readonly close: () => void;
}

/** Nothing is watched before the first `follow`. */
export function watchFolder(root: string, onEvent: () => void): FolderWatch {
  const parent = dirname(resolve(root));
  const self = basename(resolve(root));
  const watchers = new Map<string, FSWatcher>();
  const failures = new Map<string, string>();

  const unwatch = (path: string): void => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  const unwatchBelowParent = (): void => {
    for (const path of watchers.keys()) if (path !== parent) unwatch(path);
  };

  const open = (path: string): boolean => {
    try {
      const watcher = watch(path, { persistent: false }, (event, entry) => {
        if (path === parent && entry !== null && entry !== self) return;
        // A watch holds on to what it was opened on, also when another folder or link took its name.
        if (event === "rename") unwatchBelowParent();
        onEvent();
      });
      watcher.on("error", () => unwatch(path));
      watchers.set(path, watcher);
      return true;
    } catch (thrown) {
      // The parent may be closed to us; then a switched folder is noticed by the next poll.
      if (path !== parent) failures.set(path, reasonOf(thrown));
      return false;
    }
  };

  return {
    follow(folders) {
      const wanted = new Set([parent, ...folders]);
      for (const path of watchers.keys()) if (!wanted.has(path)) unwatch(path);
      failures.clear();
      const opened = [...wanted].filter((path) => !watchers.has(path)).map(open);
      return opened.includes(true);
    },
    failures: () => failures,
    close() {
      for (const path of watchers.keys()) unwatch(path);
    },
  };
}
