// What every page does first: fonts, styles, the theme and the language that were chosen.
import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/newsreader/wght.css";
import "./style/tokens.css";
import "./style/base.css";
import { recallPrefs } from "./prefs.svelte";

/** Takes theme and language up and returns the element that the page is mounted in. */
export async function start(): Promise<HTMLElement> {
  await recallPrefs();
  const target = document.getElementById("app");
  if (!target) throw new Error("the page has no element with the id app");
  return target;
}
