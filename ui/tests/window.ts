// A page with a mocked vault behind it, as the tests use it.
import { test as base, expect, type Page } from "@playwright/test";
import { NOW } from "./mock/sample";
import type { Start } from "./mock/vault";
import { mockScript, serve } from "./serve";

export { expect, type Page };

/** The passphrase that opens the mocked vault. */
export const PASSPHRASE = "seven quiet herons wading";

/** The pages of an open vault. */
export const PAGES = ["home", "data", "datasets", "licenses", "jobs", "trail", "rewards", "settings"] as const;

interface PerWorker {
  served: { url: string; script: string };
}

/** Opens the window as `start` says, at a page. Whatever the page's code throws, or the content policy refuses, fails the test. */
export const test = base.extend<{ open: (start?: Partial<Start>, hash?: string, file?: string) => Promise<Page> }, PerWorker>({
  served: [
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const [server, script] = await Promise.all([serve(), mockScript()]);
      await use({ url: server.url, script });
      server.close();
    },
    { scope: "worker" },
  ],
  open: async ({ page, served }, use) => {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await use(async (start = {}, hash = "", file = "index.html") => {
      const whole: Start = { vault: "open", content: "full", network: true, ...start };
      await page.clock.setFixedTime(NOW);
      await page.addInitScript(`window.start = ${JSON.stringify(whole)};\n${served.script}`);
      await page.goto(`${served.url}/${file}${hash ? `#/${hash}` : ""}`);
      return page;
    });
    expect(problems, "errors in the page").toEqual([]);
  },
});

/** The commands that the page called, by name. */
export const calls = (page: Page): Promise<[string, Record<string, unknown>][]> => page.evaluate(() => window.mocked?.state.calls ?? []);
