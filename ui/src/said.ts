// What the vault says in English, in the language of the window where the sentence is known. The others stay as they are,
// marked as English for screen readers.
import type { Locale } from "./text.svelte";

/** Words and the language that they are in. */
export interface Said {
  words: string;
  language: Locale;
}

/** Sentences of the vault with gaps, and their French. `$1` is the first gap. */
const FRENCH: [RegExp, string][] = [];

/** `sentence` in `language`, if its translation is known. */
export function said(sentence: string, language: Locale): Said {
  if (language === "en") return { words: sentence, language: "en" };
  const known = FRENCH.find(([pattern]) => pattern.test(sentence));
  return known ? { words: sentence.replace(...known), language } : { words: sentence, language: "en" };
}
