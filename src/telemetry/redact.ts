const pemKey =
  /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----[^]*?(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----|$)/g;
// Credentials inside an address: redis://user:password@host. A password may hold an @ that nobody escaped.
const urlPassword = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s/]+@/gi;
// Nothing but credentials stands before an @ in a hub's, and its passwords are often base64, with slashes.
const hubCredentials = /(\brediss?(?:\+[a-z]+)?:\/\/)[^\s"'`<>]+@/gi;

// Of a join token, as whole or cut as somebody copied it; what it begins with shows what it was.
const joinToken = /\bisthmus1\.[A-Za-z0-9_-]{40,}/g;

/** Field names whose values are never printed, whatever they hold. */
const secretFields: readonly string[] = [
  "password",
  "passphrase",
  "token",
  "privateKey",
  "privateKeyPem",
  "key",
  "authorization",
  "cookie",
];

/** Text as it may stand in a log, an error or a status page. */
export function redactText(text: string): string {
  return text
    .replace(pemKey, "[redacted]")
    .replace(joinToken, "isthmus1.[redacted]")
    .replace(hubCredentials, "$1[redacted]@")
    .replace(urlPassword, "$1[redacted]@");
}

const maxDepth = 6;

/** A copy for printing: strings redacted, secret fields replaced, errors spelled out with causes. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= maxDepth) return "[deep]";
  if (value instanceof Error) return errorFields(value, depth);
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  // What knows how to print itself, such as Secret, says it better.
  if ("toJSON" in value && typeof value.toJSON === "function")
    return redact(value.toJSON(), depth + 1);
  if (value instanceof Map || value instanceof Set) return redact([...value], depth);
  const entries = Object.entries(value).map(
    ([name, inner]) =>
      [name, secretFields.includes(name) ? "[redacted]" : redact(inner, depth + 1)] as const,
  );
  return Object.fromEntries(entries);
}

function errorFields(error: Error, depth: number): object {
  const code = "code" in error ? { code: String(error.code) } : {};
  const cause = error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) };
  // The stack repeats the message, so both are redacted.
  const stack = error.stack === undefined ? {} : { stack: redactText(error.stack) };
  return { name: error.name, ...code, message: redactText(error.message), ...stack, ...cause };
}
