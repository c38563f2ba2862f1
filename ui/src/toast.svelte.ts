// Short notices in a corner: what was done, with a way back where there is one.

/** One notice. */
export interface Toast {
  id: number;
  words: string;
  /** What takes it back. */
  undo: (() => void) | undefined;
}

/** How long a notice stays, in milliseconds; longer where it can be taken back. */
const STAY = { plain: 6_000, undo: 12_000 };

const list = $state<Toast[]>([]);
let last = 0;

/** The notices that are shown. */
export function toasts(): readonly Toast[] {
  return list;
}

/** Shows `words` for a while, with a button for `undo` where it is given. */
export function toast(words: string, undo?: () => void) {
  last += 1;
  const id = last;
  list.push({ id, words, undo });
  if (list.length > 4) list.shift();
  setTimeout(() => dismiss(id), undo ? STAY.undo : STAY.plain);
}

/** Takes a notice away. */
export function dismiss(id: number) {
  const at = list.findIndex((one) => one.id === id);
  if (at >= 0) list.splice(at, 1);
}

/** Takes all of them away, as when the vault is locked. */
export function clearToasts() {
  list.length = 0;
}
