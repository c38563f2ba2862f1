// What the vault says in English, in the language of the window where the sentence is known. The others stay as they are,
// marked as English for screen readers. said.test.ts notices when the vault says one of them differently.
import { sentences, type Locale } from "./text.svelte";

/** Words and the language that they are in. */
export interface Said {
  words: string;
  language: Locale;
}

type Pattern = readonly [RegExp, string];

const escaped = (words: string) => words.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
const made = new Map<[string, string][], Pattern[]>();

/** Compiled when the first sentence is looked up. What says more letter for letter comes first: a gap takes in anything. */
function patterns(known: [string, string][]): Pattern[] {
  const before = made.get(known);
  if (before) return before;
  const letters = ([english]: [string, string]) => english.replaceAll("{}", "").length;
  const now = [...known].sort((one, other) => letters(other) - letters(one)).map(([english, other]) => [new RegExp(`^${english.split("{}").map(escaped).join("(.+?)")}$`), other] as const);
  made.set(known, now);
  return now;
}

/** `sentence` in `language`, if its translation is known. */
export function said(sentence: string, language: Locale): Said {
  const { SENTENCES, BEGINNINGS } = sentences(language);
  if (language === "en" || !SENTENCES || !BEGINNINGS) return { words: sentence, language: "en" };
  for (const [pattern, french] of patterns(SENTENCES)) {
    const gaps = pattern.exec(sentence);
    const fill = (kind: string, gap: string) => (kind === "§" ? said(gap, language).words : gap);
    if (gaps) return { words: french.replace(/([$§])(\d)/g, (_, kind: string, at: string) => fill(kind, gaps[Number(at)] ?? "")), language };
  }
  const begin = BEGINNINGS.find(([english]) => sentence.startsWith(english));
  const rest = begin && said(sentence.slice(begin[0].length), language);
  return rest?.language === language ? { words: begin![1] + rest.words, language } : { words: sentence, language: "en" };
}
