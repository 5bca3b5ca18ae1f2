import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedCall } from "../../../../src/app/launcher/envoy/shared-call.ts";

test("sharedCall() asks once for all who ask at the same time, and anew afterwards", async () => {
  const answers: PromiseWithResolvers<number>[] = [];
  const ask = sharedCall(() => {
    const answer = Promise.withResolvers<number>();
    answers.push(answer);
    return answer.promise;
  });
  const asked = [ask(), ask(), ask()];
  assert.equal(answers.length, 1);
  answers[0]?.resolve(7);
  assert.deepEqual(await Promise.all(asked), [7, 7, 7]);
  const later = ask();
  assert.equal(answers.length, 2);
  answers[1]?.reject(new Error("gone"));
  await assert.rejects(later, /gone/);
  const last = ask();
  answers[2]?.resolve(8);
  assert.equal(await last, 8);
});
