import { dirname, join } from "node:path";
import type { Container } from "./pod-object.ts";

const repository = join(import.meta.dirname, "../../../..");

/**
 * A container as a command: its user and rights and no others, a root that cannot be written but for its volumes,
 * and where the image has them: isthmus, Node and, with `envoy`, Envoy. `mounts` are folders by mount path;
 * undefined: an empty one in memory. What it mounts is seen by nobody else: `ip netns exec` sees to that.
 */
export function containerCommand(
  container: Container,
  options: {
    readonly envoy: string;
    readonly mounts: Readonly<Record<string, string | undefined>>;
  },
): readonly string[] {
  const { args = [], securityContext = {} } = container;
  const { runAsUser = 0, runAsGroup = 0, capabilities = {} } = securityContext;
  const rights = ["-all", ...(capabilities.add ?? []).map((name) => `+${name.toLowerCase()}`)];
  const lines = [
    "set -e",
    "mount -t tmpfs tmpfs /mnt",
    "mkdir /mnt/app",
    ...file(process.execPath, "/mnt/node"),
    ...file(options.envoy, "/mnt/envoy"),
    `mount --bind ${quoted(repository)} /mnt/app`,
    ...Object.values(options.mounts).flatMap((folder, index) =>
      folder === undefined
        ? []
        : [`mkdir /mnt/${index}`, `mount --bind ${quoted(folder)} /mnt/${index}`],
    ),
    "mount -t tmpfs tmpfs /usr/local/bin",
    ...file("/mnt/envoy", "/usr/local/bin/envoy"),
    "mount -t tmpfs tmpfs /var",
    ...Object.entries(options.mounts).flatMap(([path, folder], index) => [
      `mkdir -p ${quoted(path)}`,
      folder === undefined
        ? `mount -t tmpfs -o mode=777 tmpfs ${quoted(path)}`
        : `mount --bind -o ro /mnt/${index} ${quoted(path)}`,
    ]),
    "cd /",
    "mount -o remount,bind,ro /",
    'exec "$@"',
  ];
  const user = [`--reuid=${runAsUser}`, `--regid=${runAsGroup}`, "--clear-groups"];
  const limits = [`--bounding-set=${rights.join(",")}`, "--inh-caps=-all", "--no-new-privs"];
  const isthmus = ["/mnt/node", "/mnt/app/bin/isthmus.mjs", ...args];
  return ["sh", "-c", lines.join("\n"), "container", "setpriv", ...user, ...limits, ...isthmus];
}

function file(from: string, to: string): readonly string[] {
  return [`mkdir -p ${quoted(dirname(to))}`, `touch ${to}`, `mount --bind ${quoted(from)} ${to}`];
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
