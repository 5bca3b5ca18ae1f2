/**
 * Loaded before the program (`--import`): its wall clock is wrong by CLOCK_SHIFT_MS. OpenSSL's is not,
 * which reads the machine's by itself.
 */
const shiftMs = Number(process.env["CLOCK_SHIFT_MS"] ?? 0);
const RealDate = Date;

class ShiftedDate extends RealDate {
  constructor(...words: readonly unknown[]) {
    if (words.length === 0) super(RealDate.now() + shiftMs);
    else super(...(words as [number]));
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
}

globalThis.Date = ShiftedDate as DateConstructor;
