// axe on every page, dialog and window, in both themes and both languages: WCAG 2.2, levels A and AA.
import AxeBuilder from "@axe-core/playwright";
import { expect, test, PAGES, type Page } from "./window";

const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

async function clean(page: Page, where: string) {
  const { violations } = await new AxeBuilder({ page }).withTags(LEVELS).analyze();
  const found = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
  expect.soft(found, where).toEqual([]);
}

/** Goes to a part of the window and waits until the vault answered. */
async function goTo(page: Page, hash: string) {
  await page.evaluate((to) => (location.hash = to), `#/${hash}`);
  await expect(page.locator("main h1")).toBeVisible();
  await expect(page.locator("main .loading")).toHaveCount(0);
}

for (const theme of ["light", "dark"] as const) {
  for (const language of ["english", "french"] as const) {
    test.describe(`${theme}, ${language}`, () => {
      test.beforeEach(({ page }) => page.emulateMedia({ reducedMotion: "reduce" }));

      test("pages", async ({ open, page }) => {
        await open({ theme, language });
        await expect(page.locator("html")).toHaveAttribute("lang", language === "french" ? "fr" : "en");
        for (const name of [...PAGES, "datasets/new", "licenses/letters"]) {
          await goTo(page, name);
          await clean(page, name);
        }
      });

      test("dialogs, and windows beside it", async ({ open, page }) => {
        await open({ theme, language }, "data");
        await page.getByTestId("import-files").click();
        await expect(page.getByTestId("import-start")).toBeVisible();
        await clean(page, "import");
        await page.keyboard.press("Escape");
        await page.keyboard.press("Control+k");
        await expect(page.locator("dialog [role=combobox]")).toBeFocused();
        await clean(page, "palette");
        await page.keyboard.press("Escape");
        await page.keyboard.press("?");
        await clean(page, "shortcuts");
        await page.keyboard.press("Escape");
        await page.keyboard.press("Control+q");
        await expect(page.getByRole("dialog")).toBeVisible();
        await clean(page, "quit");
        await page.keyboard.press("Escape");
        await page.getByTestId("search-meaning").check({ force: true });
        await expect(page.getByTestId("meaning-read")).toBeVisible();
        await clean(page, "searching by meaning");
        await page.getByTestId("meaning-read").click();
        await page.getByTestId("record-list").fill("a day by the water");
        await page.keyboard.press("Enter");
        await expect(page.locator(".records tbody tr").first()).toBeVisible();
        await page.getByTestId("record-delete").first().click();
        await expect(page.getByTestId("undo")).toBeVisible();
        await clean(page, "found by meaning, a running task and a notice");
        await page.evaluate(() => window.mocked!.tell("hovering"));
        await expect(page.getByTestId("drop-veil")).toBeVisible();
        await clean(page, "files over the window");
        await page.evaluate(() => window.mocked!.tell("left"));
        await goTo(page, "datasets");
        await page.getByTestId("dataset-public").first().click();
        await expect(page.getByTestId("dataset-publish")).toBeVisible();
        await clean(page, "publish");
        await page.keyboard.press("Escape");
        await goTo(page, `trail/${encodeURIComponent(`job/0x${"37fa".repeat(16)}`)}`);
        await expect(page.getByTestId("receipt-valid")).toBeVisible();
        await clean(page, "receipt");
        await goTo(page, "jobs");
        await page.getByTestId("job-always").click();
        await expect(page.getByTestId("always-add")).toBeVisible();
        await clean(page, "approve always");
        await page.keyboard.press("Escape");
        for (const window of ["recovery", "recover", "confirm"]) {
          const lang = language === "french" ? "fr" : "en";
          await open({ theme, language }, "", `${window}.html?lang=${lang}&theme=${theme}`);
          await expect(page.locator("html")).toHaveAttribute("lang", lang);
          await expect(page.locator("h1")).toBeVisible();
          await clean(page, window);
        }
      });

      test("before there is anything", async ({ open, page }) => {
        await open({ theme, language, vault: "none" });
        await page.locator("#passphrase").fill("seven quiet");
        await expect(page.getByTestId("strength")).toBeVisible();
        await clean(page, "create");
        await open({ theme, language, vault: "open", content: "empty", network: false });
        for (const name of PAGES) {
          await goTo(page, name);
          await clean(page, `${name}, empty`);
        }
      });
    });
  }
}
