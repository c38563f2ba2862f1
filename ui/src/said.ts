// What the vault says in English, in the language of the window where the sentence is known. The others stay as they are,
// marked as English for screen readers. said.test.ts notices when the vault says one of them differently.
import { FRENCH } from "./french";
import { BEGINNINGS, FAILURES } from "./frenchFailures";
import { RECEIPT } from "./frenchReceipt";
import type { Locale } from "./text.svelte";

/** Words and the language that they are in. */
export interface Said {
  words: string;
  language: Locale;
}

/** Every sentence that has a translation. */
export const SENTENCES = [...FRENCH, ...RECEIPT, ...FAILURES];

const escaped = (words: string) => words.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
const patterns = SENTENCES.map(([english, french]) => [new RegExp(`^${english.split("{}").map(escaped).join("(.+?)")}$`), french] as const);

/** `sentence` in `language`, if its translation is known. */
export function said(sentence: string, language: Locale): Said {
  if (language === "en") return { words: sentence, language };
  const known = patterns.find(([pattern]) => pattern.test(sentence));
  if (known) return { words: sentence.replace(...known), language };
  const begin = BEGINNINGS.find(([english]) => sentence.startsWith(english));
  const rest = begin && said(sentence.slice(begin[0].length), language);
  return rest?.language === language ? { words: begin![1] + rest.words, language } : { words: sentence, language: "en" };
}
