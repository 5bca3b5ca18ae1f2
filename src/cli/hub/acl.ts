import { type WrittenAcl, writeAcl } from "../../app/hub/acl/write-acl.ts";
import { type Command, exitCodes, type Terminal } from "../command.ts";
import { counted } from "../print/phrases.ts";
import { printJson } from "../print/print-json.ts";
import { printProblems } from "../print/print-problems.ts";

export const hubAcl: Command = {
  name: "hub acl",
  usage: "(--charter FILE | --config F) [--password-dir DIR] [OPTIONS]",
  about:
    "Prints the users of a hub, as Redis 7 or newer reads them (redis-server --aclfile users.acl, or ACL LOAD): each\n" +
    "member of the charter reads the whole mesh and writes its own keys only. Denied members get no user.\n" +
    "With --password-dir, NAME.password is each user's password: taken where it exists, else made (mode 0600).\n" +
    "Only its hash is printed; the file itself is the passwordFile of that member. Without, nobody can log in yet.",
  options: {
    charter: {
      type: "string",
      hint: "FILE",
      about: "charter.json beside its bundle.pem, or the folder",
    },
    config: {
      type: "string",
      hint: "F",
      about: "agent.yaml, whose trust.dir has the charter",
      short: "c",
    },
    "password-dir": { type: "string", hint: "DIR", about: "a folder with the passwords" },
    replicas: {
      type: "boolean",
      about: "also users for replicas and Sentinels (default: where --config names such a hub)",
    },
    "members-only": {
      type: "boolean",
      about: "lines for a users.acl of your own: leave the default user and the operator out",
    },
    json: { type: "boolean", about: "print JSON with stable field names" },
  },
  positionals: { min: 0, max: 0 },
  run: async (args, terminal) => {
    const answer = await writeAcl({
      charter: args.text("charter"),
      config: args.text("config"),
      passwordDir: args.text("password-dir"),
      isWhole: !args.has("members-only"),
      hasReplicas: args.has("replicas"),
    });
    if (answer.t === "misconfigured") {
      printProblems(answer, terminal);
      return exitCodes.config;
    }
    const { acl } = answer;
    if (args.has("json")) printJson(jsonOf(acl), terminal);
    else {
      terminal.out(acl.users.map(({ line }) => `${line}\n`).join(""));
      explain(acl, terminal);
    }
    return exitCodes.done;
  },
};

function jsonOf({ mesh, charter, users, denied }: WrittenAcl): object {
  return {
    mesh,
    charter,
    users: users.map(({ name, member, isOn, rules, passwords, line }) => ({
      user: name,
      member,
      isOn,
      rules,
      passwordFile: passwords?.file,
      isPasswordNew: passwords?.isNew,
      line,
    })),
    denied,
  };
}

/** The file itself can hold no comments, so people read them elsewhere. */
function explain({ mesh, charter, users, denied }: WrittenAcl, { err }: Terminal): void {
  const members = users.filter(({ member }) => member !== undefined).length;
  const without = denied.length === 0 ? "" : `; denied, without a user: ${denied.join(", ")}`;
  err(`Users of ${counted(members, "member")} of ${mesh}, charter ${charter}${without}\n`);
  const made = users.flatMap(({ passwords }) => (passwords?.isNew ? [passwords.file] : []));
  if (made.length > 0) err(`Passwords made: ${made.join(", ")}\n`);
  const isLocked = users.some(({ isOn, passwords }) => isOn && passwords === undefined);
  if (isLocked) err("No passwords: nobody can log in as these users; see --password-dir\n");
}
