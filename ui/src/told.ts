// What the program says in the main window's address, so that the first page shows without a question.

/** The page to begin with, and the vault's folder. */
export interface Told {
  page: "create" | "unlock";
  home: string;
}

/** What the address says; nothing where the page was loaded again, and has to ask. The address says it once. */
export function told(): Told | null {
  const said = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname + location.hash);
  const [page, home] = [said.get("page"), said.get("home")];
  return (page === "create" || page === "unlock") && home !== null ? { page, home } : null;
}
