import { spawn } from "node:child_process";
import { once } from "node:events";

/** Clears up after the regions: at their end, or when the process that opened them was killed. */
export interface Guardian {
  readonly end: () => Promise<void>;
}

// It waits for the end of its standard input, which the kernel closes however its parent dies.
const script = `
cat > /dev/null
dir=$1; shift
for ns; do ip netns pids "$ns" 2> /dev/null | xargs -r kill -9 2> /dev/null; done
for ns; do ip netns del "$ns" 2> /dev/null; done
rm -rf "$dir"
`;

export function startGuardian(of: {
  readonly namespaces: readonly string[];
  readonly dir: string;
}): Guardian {
  const child = spawn("sh", ["-c", script, "guardian", of.dir, ...of.namespaces], {
    stdio: ["pipe", "ignore", "ignore"],
    // In a session of its own: what is typed at a terminal to end the test must not end it.
    detached: true,
  });
  const exited = once(child, "exit");
  return {
    end: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
