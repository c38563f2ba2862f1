// Which page is shown. It stands in the address, so that a reload comes back to it.

/** The pages, in the order of the navigation and of Ctrl+1 to Ctrl+8. */
export const PAGES = ["home", "data", "datasets", "licenses", "jobs", "trail", "rewards", "settings"] as const;

/** A page of an open vault. */
export type PageName = (typeof PAGES)[number];

interface Place {
  page: PageName;
  /** What on the page, such as a job's id; empty for the page itself. */
  part: string;
}

function read(): Place {
  const [page = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const known = PAGES.find((name) => name === page);
  return { page: known ?? "home", part: known ? decode(rest.join("/")) : "" };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

const place = $state<Place>(read());

window.addEventListener("hashchange", () => Object.assign(place, read()));

/** Where the window is. */
export function here(): Readonly<Place> {
  return place;
}

/** Goes to a page, or to a part of it. */
export function go(page: PageName, part = "") {
  Object.assign(place, { page, part });
  const hash = `#/${page}${part ? `/${encodeURIComponent(part)}` : ""}`;
  if (location.hash !== hash) location.hash = hash;
}
