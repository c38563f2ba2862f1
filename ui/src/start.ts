// What both pages do first: fonts, styles, the document's language.
import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/newsreader/wght.css";
import "./style/tokens.css";
import "./style/base.css";
import { locale } from "./text";

/** Sets the document's language and returns the element that the page is mounted in. */
export function start(): HTMLElement {
  document.documentElement.lang = locale;
  const target = document.getElementById("app");
  if (!target) throw new Error("the page has no element with the id app");
  return target;
}
