/** The Envoys that `npm test` provides: the newest and the oldest that are supported. */
export const envoys: readonly { readonly what: string; readonly binary: string | undefined }[] = [
  { what: "the newest Envoy", binary: process.env["ISTHMUS_ENVOY"] },
  { what: "the oldest Envoy", binary: process.env["ISTHMUS_ENVOY_OLDEST"] },
];

/** A reason to skip; in CI nothing is skipped. */
export function whyNot(binary: string | undefined): string | false {
  return binary === undefined && process.env["CI"] === undefined
    ? "no Envoy: see scripts/envoy.mjs"
    : false;
}
