// What the palette lists: a name, and what it does.

/** One thing that can be done from anywhere. */
export interface Action {
  id: string;
  name: string;
  /** Its keys, where it has some. */
  keys?: string;
  run: () => void;
}

/** Letters without their accents, so that `reglages` finds `Réglages`. */
function plain(words: string): string {
  return words.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** The actions whose names hold every word of `typed`, those that begin with it first. */
export function matching(actions: Action[], typed: string): Action[] {
  const wanted = plain(typed).split(/\s+/).filter(Boolean);
  const found = actions.filter((action) => wanted.every((word) => plain(action.name).includes(word)));
  const begins = (action: Action) => Number(!plain(action.name).startsWith(wanted[0] ?? ""));
  return found.sort((one, other) => begins(one) - begins(other));
}
