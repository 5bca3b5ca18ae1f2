/** As in package.json; `test/app/version.test.ts` compares them. */
export const version = "0.1.0";
