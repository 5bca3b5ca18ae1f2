/** Whoever asks while an answer is on its way gets that one: many who ask cost no more than one. */
export function sharedCall<Answer>(call: () => Promise<Answer>): () => Promise<Answer> {
  let running: Promise<Answer> | undefined;
  return () => {
    running ??= call().finally(() => {
      running = undefined;
    });
    return running;
  };
}
