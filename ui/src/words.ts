// The vault's own short words, in the language of the window.
import { text } from "./text.svelte";

type Words = Record<string, string>;

const of = (words: Words, word: string) => words[word] ?? word;

/** A kind of record, such as `mail`. */
export const kind = (word: string) => of(text.terms.kinds, word);

/** An action of a license, such as `embed`. */
export const action = (word: string) => of(text.terms.actions, word);

/** A purpose of a license, such as `research`. */
export const purpose = (word: string) => of(text.terms.purposes, word);

/** The state of a dataset, license or job. */
export const state = (word: string) => of(text.terms.states, word);

/** The tone that a state is shown in. */
export function tone(word: string): "plain" | "good" | "warn" | "bad" | "info" {
  if (["active", "settled", "delivered"].includes(word)) return "good";
  if (["requested"].includes(word)) return "warn";
  if (["revoked", "refunded", "rejected", "failed"].includes(word)) return "bad";
  if (["approved", "committed", "drawn", "accepted", "running"].includes(word)) return "info";
  return "plain";
}
