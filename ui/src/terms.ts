// The terms of a license in sentences, in the language of the window: one for each term, none left out.
import type { Terms } from "./bindings";
import { count, isOne, list, money, span } from "./format";
import type { Messages } from "./text.svelte";
import { action, purpose } from "./words";

const DAY = 86_400;

/** The sentences, in the order of the vault's own summary. */
export function sentences(terms: Terms, text: Messages): string[] {
  const words = text.terms;
  if (terms.actions.length === 0) return [words.nothing];
  const runs = [count(terms.max_runs), isOne(terms.max_runs)] as const;
  const free = /^0(\.0+)?( |$)/.test(terms.price_per_run);
  return [
    words.allowed(list(terms.actions.map(action))),
    terms.purposes.includes("any") ? words.anyPurpose : words.forPurposes(list(terms.purposes.map(purpose))),
    terms.commercial ? words.commercial : words.notCommercial,
    free ? words.free(...runs) : words.perRun(money(terms.price_per_run), ...runs),
    words.ends(span(terms.duration)),
    words.waits(span(terms.respond_within), span(terms.accept_within)),
    terms.min_records > 1 ? words.atLeast(count(terms.min_records)) : "",
    terms.attribution ? words.attribution : "",
    terms.retention_days > 0 ? words.retention(span(terms.retention_days * DAY)) : "",
  ].filter(Boolean);
}
