// Writes ui/screenshots/: every page in both themes, from the built page with a mocked vault. `npm run screenshots`;
// SCREENSHOTS=french writes the French ones to another folder, to look at their lengths.
import { join } from "node:path";
import type { Start } from "./mock/vault";
import { test } from "./window";

const language = process.env["SCREENSHOTS"] === "french" ? "french" : "english";
const OUT = language === "french" ? "/tmp/usufruct-screenshots-french" : join(import.meta.dirname, "../screenshots");
const THEMES = ["light", "dark"] as const;

interface Shot {
  hash?: string;
  file?: string;
  start?: Partial<Start>;
  /** Clicked, in order, before the picture is taken. */
  clicks?: string[];
  /** Typed into the field that a selector names. */
  types?: [string, string][];
}

const SHOTS: Record<string, Shot> = {
  create: { start: { vault: "none" }, types: [["#passphrase", "seven quiet herons"]] },
  unlock: { start: { vault: "locked" } },
  recovery: { file: "recovery.html" },
  recover: { file: "recover.html" },
  confirm: { file: "confirm.html" },
  start: { start: { content: "empty", network: false } },
  home: { hash: "home" },
  data: { hash: "data" },
  meaning: { hash: "data", types: [["[data-testid=record-list]", "a day by the water"]], clicks: ["[data-testid=search-meaning]"] },
  import: { hash: "data", clicks: ["[data-testid=import-files]"] },
  datasets: { hash: "datasets" },
  builder: { hash: "datasets/new" },
  publish: { hash: "datasets", clicks: ["[data-testid=dataset-public]"] },
  licenses: { hash: "licenses" },
  offer: { hash: "licenses/letters" },
  jobs: { hash: "jobs", clicks: ["[data-testid=job-run]"] },
  always: { hash: "jobs", clicks: ["[data-testid=job-always]"] },
  trail: { hash: "trail", clicks: ["[data-testid=trail-edge][data-at='9'] .reach"] },
  receipt: { hash: `trail/${encodeURIComponent(`job/0x${"37fa".repeat(16)}`)}` },
  rewards: { hash: "rewards" },
  settings: { hash: "settings" },
  palette: { hash: "home", clicks: ["[data-testid=palette]"] },
};

for (const theme of THEMES) {
  for (const [name, shot] of Object.entries(SHOTS)) {
    test(`${name} ${theme}`, async ({ open, page }) => {
      await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
      await open({ theme, language, ...shot.start }, shot.hash, `${shot.file ?? "index.html"}`);
      await page.locator("h1").first().waitFor();
      for (const [field, words] of shot.types ?? []) await page.fill(field, words);
      for (const click of shot.clicks ?? []) await page.locator(click).first().click({ force: true });
      await page.evaluate(() => (scrollTo(0, 0), document.fonts.ready));
      await page.waitForTimeout(500);
      await page.screenshot({ path: join(OUT, `${name}-${theme}.png`) });
    });
  }
}
