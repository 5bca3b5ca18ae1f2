import { canonicalIp, isIp } from "../../mesh/address.ts";
import { type GroupId, readGroupId } from "../../mesh/workload-group.ts";
import type { RegistrationConfig } from "./config.ts";
import {
  checked,
  mapped,
  object,
  optional,
  type Parser,
  required,
  text,
  yes,
} from "./config-parser.ts";

interface RegistrationFields {
  readonly group: GroupId;
  readonly address: string | undefined;
  readonly allowExec: boolean;
}

const address: Parser<string> = mapped(
  checked(text(), (written) => (isIp(written) ? undefined : `"${written}" is no IP address`)),
  canonicalIp,
);

/** `registration` of sidecar.yaml. */
export const registration: Parser<RegistrationConfig> = mapped(
  object<RegistrationFields>({
    group: required(text(groupIn)),
    address: optional<string | undefined>(address, undefined),
    // Whoever may write the group would run programs on this machine.
    allowExec: optional<boolean>(yes, false),
  }),
  ({ address: stated, ...rest }) => ({
    ...rest,
    ...(stated === undefined ? {} : { address: stated }),
  }),
);

function groupIn(written: string): GroupId {
  const group = readGroupId(written);
  if (group === undefined) throw new TypeError(`"${written}" is no NAMESPACE/NAME`);
  return group;
}
