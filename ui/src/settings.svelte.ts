// The settings as the program keeps them. Language and theme are shown at once; the page keeps a copy of these two only,
// so that the next start begins in them.
import { commands, type Settings as Kept } from "./bindings";
import { setLocale, setTheme } from "./prefs.svelte";
import { choose } from "./text.svelte";

/** All of them: the program leaves none out. */
export type Settings = Required<Kept>;

let kept = $state.raw<Settings | null>(null);

/** The settings as of the last look; nothing before it. */
export function settings(): Settings | null {
  return kept;
}

function show(now: Settings) {
  kept = now;
  const languages = { system: choose(navigator.languages), english: "en", french: "fr" } as const;
  void setLocale(languages[now.language]);
  setTheme(now.theme);
}

/** Asks the program for them. */
export async function lookAtSettings() {
  try {
    show((await commands.settingsShow()) as Settings);
  } catch {
    // A window that may not ask keeps what it had.
  }
}

/** Changes some of them. */
export async function changeSettings(some: Partial<Settings>) {
  if (kept) show((await commands.settingsChange({ ...kept, ...some })) as Settings);
}
