// Every word on the pages, in English and French. A language that lacks a message does not compile. Only what is needed is read:
// the first page's words before it shows, the others after it, French where it is spoken.
import * as first from "./text/en/first";

/** The messages of one language, by page. */
export type Messages = typeof import("./text/en/first") & typeof import("./text/en/more");

/** The languages of the pages. */
export type Locale = "en" | "fr";

/** What is read at once: the words of the first page, the other pages' words, or the vault's sentences. */
export type Part = "first" | "more" | "said";

/** The vault's sentences in another language. */
type Sentences = typeof import("./sentences");

type Read = Partial<Messages & Sentences>;

const parts: Record<Locale, Record<Part, () => Promise<Read>>> = {
  // English stands in until another language is read, and the vault speaks it.
  en: { first: async () => first, more: () => import("./text/en/more"), said: async () => ({}) },
  fr: { first: () => import("./text/fr/first"), more: () => import("./text/fr/more"), said: () => import("./sentences") },
};

const wanted = new Set<Part>(["first"]);
const begun = new Map<string, Promise<void>>();
let read = $state.raw<Record<Locale, Read>>({ en: first, fr: {} });

function fetch(language: Locale, part: Part): Promise<void> {
  const known = begun.get(language + part);
  if (known) return known;
  const reading = parts[language][part]().then((found) => {
    read = { ...read, [language]: { ...read[language], ...found } };
  });
  begun.set(language + part, reading);
  return reading;
}

/** The first of the person's `preferred` languages that there are messages in; English without one. */
export function choose(preferred: readonly string[]): Locale {
  for (const tag of preferred) {
    const language = tag.toLowerCase().split("-")[0];
    if (language === "en" || language === "fr") return language;
  }
  return "en";
}

const chosen = $state<{ locale: Locale }>({ locale: "en" });
let asked: Locale = "en";

/** The language of this window now. */
export function locale(): Locale {
  return chosen.locale;
}

/** Shows every page in `language` once its words are read, unless another was asked for meanwhile. */
export async function speak(language: Locale) {
  asked = language;
  await Promise.all([...wanted].map((part) => fetch(language, part)));
  if (asked !== language) return;
  chosen.locale = language;
  document.documentElement.lang = language;
}

/** Reads a part in the language of this window, now and in those that are spoken later. */
export async function want(part: Part) {
  wanted.add(part);
  await fetch(asked, part);
}

/** The vault's sentences in `language`, as far as they are read. */
export function sentences(language: Locale): Partial<Sentences> {
  return read[language];
}

/** The messages of this window: what reads them is drawn again when the language changes. */
export const text = new Proxy({} as Messages, {
  get: (_, part: keyof Messages) => read[chosen.locale][part],
});
