import type { CommandPart, HubConnection } from "./link/connection.ts";
import { HubFailure } from "./link/hub-failure.ts";
import type { Reply } from "./replies.ts";
import type { Script } from "./scripts.ts";

/** Runs a script over one connection, by name once the server has it. */
export type ScriptSender = (
  keys: readonly string[],
  args: readonly CommandPart[],
) => Promise<Reply>;

/** A script's senders, one for each connection that it is used on. */
export function scriptOn(
  script: Script,
  readOnly?: "_RO",
): (connection: HubConnection) => ScriptSender {
  const senders = new WeakMap<HubConnection, ScriptSender>();
  return (connection) => {
    const sender = senders.get(connection) ?? createScriptSender(connection, script, readOnly);
    senders.set(connection, sender);
    return sender;
  };
}

/**
 * Scripts take effect in the order of the calls, also when the server forgot the script (SCRIPT FLUSH, a
 * failover to a server that never saw it): then all that was sent by name is sent again, in order and
 * before anything new.
 */
function createScriptSender(
  connection: HubConnection,
  script: Script,
  readOnly?: "_RO",
): ScriptSender {
  const inFull = `EVAL${readOnly ?? ""}`;
  const byName = `EVALSHA${readOnly ?? ""}`;
  const again: (() => void)[] = [];
  let isKnown = false;
  let named = 0;

  const send = (command: string, body: string, rest: readonly CommandPart[]): Promise<Reply> =>
    connection.call([command, body, ...rest]);
  const sendInFull = async (rest: readonly CommandPart[]): Promise<Reply> => {
    const reply = await send(inFull, script.source, rest);
    isKnown = true;
    return reply;
  };
  const settled = (): void => {
    named -= 1;
    if (named > 0) return;
    for (const run of again.splice(0)) run();
  };
  return (keys, args) => {
    const rest = [keys.length, ...keys, ...args];
    if (again.length === 0 && !isKnown) return sendInFull(rest);
    return new Promise((resolve, reject) => {
      const repeat = (): void => {
        sendInFull(rest).then(resolve, reject);
      };
      if (again.length > 0) {
        again.push(repeat);
        return;
      }
      named += 1;
      send(byName, script.sha1, rest).then(
        (reply) => {
          resolve(reply);
          settled();
        },
        (thrown: unknown) => {
          const isForgotten = thrown instanceof HubFailure && thrown.word === "NOSCRIPT";
          if (isForgotten) {
            isKnown = false;
            again.push(repeat);
          } else reject(thrown);
          settled();
        },
      );
    });
  };
}
