// How the window looks and speaks: the only two things that the page itself remembers. Neither says anything about a vault.
import { choose, speak, type Locale } from "./text.svelte";

/** The themes; `system` follows the desktop. */
export const THEMES = ["system", "light", "dark"] as const;

/** A theme. */
export type Theme = (typeof THEMES)[number];

const prefs = $state<{ theme: Theme }>({ theme: "system" });

function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, value: string) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A web view without storage: the choice lasts as long as the window.
  }
}

/** The theme now. */
export function theme(): Theme {
  return prefs.theme;
}

/** Shows the window in `chosen` and remembers it. */
export function setTheme(chosen: Theme) {
  prefs.theme = chosen;
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
  remember("theme", chosen);
}

/** Speaks `language` and remembers it. */
export async function setLocale(language: Locale) {
  remember("language", language);
  await speak(language);
}

/**
 * Takes both up as they were left; the system's where they never were chosen. Windows are told them in their address:
 * `?lang=fr&theme=dark`.
 */
export async function recallPrefs() {
  const told = new URLSearchParams(location.search);
  const asked = told.get("theme") ?? recall("theme");
  const left = THEMES.find((name) => name === asked);
  if (left && left !== "system") setTheme(left);
  const language = told.get("lang") ?? recall("language");
  await speak(language === "en" || language === "fr" ? language : choose(navigator.languages));
}
