// Every word on the pages, in English and French. A language that lacks a message does not compile.
import * as data from "./text/data";
import * as datasets from "./text/datasets";
import * as home from "./text/home";
import * as jobs from "./text/jobs";
import * as licenses from "./text/licenses";
import * as rewards from "./text/rewards";
import * as settings from "./text/settings";
import * as shell from "./text/shell";
import * as terms from "./text/terms";
import * as trail from "./text/trail";
import * as welcome from "./text/welcome";

const parts = { shell, welcome, home, data, datasets, licenses, terms, jobs, trail, rewards, settings };
type Parts = typeof parts;

/** The messages of one language, by page. */
export type Messages = { [P in keyof Parts]: Parts[P]["en"] };

/** The languages of the pages. */
export type Locale = "en" | "fr";

function catalog(locale: Locale): Messages {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part[locale]])) as Messages;
}

/** All messages, by language. */
export const languages: Record<Locale, Messages> = { en: catalog("en"), fr: catalog("fr") };

/** The first of the person's `preferred` languages that there are messages in; English without one. */
export function choose(preferred: readonly string[]): Locale {
  for (const tag of preferred) {
    const language = tag.toLowerCase().split("-")[0];
    if (language === "en" || language === "fr") return language;
  }
  return "en";
}

const chosen = $state<{ locale: Locale }>({ locale: choose(navigator.languages) });

/** The language of this window now. */
export function locale(): Locale {
  return chosen.locale;
}

/** Shows every page in `language` from now on. */
export function speak(language: Locale) {
  chosen.locale = language;
  document.documentElement.lang = language;
}

/** The messages of this window: what reads them is drawn again when the language changes. */
export const text: Messages = new Proxy(languages.en, {
  get: (_, part: keyof Messages) => languages[chosen.locale][part],
});
