/** What a terminal can show. */
export interface Screen {
  /** Columns; text is laid out for at least 72. */
  readonly width: number;
  readonly hasColour: boolean;
}

export type Paint = (text: string, tone: Tone) => string;
export type Tone = "bold" | "dim" | "good" | "bad" | "warn" | `member${0 | 1 | 2 | 3 | 4 | 5}`;

const codes: Readonly<Record<Tone, string>> = {
  bold: "1",
  dim: "2",
  good: "32",
  bad: "31;1",
  warn: "33",
  member0: "36",
  member1: "35",
  member2: "34",
  member3: "33",
  member4: "32",
  member5: "37",
};

export function painter(screen: Screen): Paint {
  return screen.hasColour
    ? (text, tone) => `\u001b[${codes[tone]}m${text}\u001b[0m`
    : (text) => text;
}

export function memberTone(index: number): Tone {
  return `member${(index % 6) as 0 | 1 | 2 | 3 | 4 | 5}`;
}
