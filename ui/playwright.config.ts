// The built page in Debian's Chromium, with the vault mocked. The real window is driven by tests/tests/window.rs.
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  testMatch: process.env["SCREENSHOTS"] ? "screenshots.ts" : "*.spec.ts",
  fullyParallel: true,
  workers: 2,
  // axe on a page takes seconds, and many times that on a busy machine.
  timeout: 240_000,
  expect: { timeout: 10_000 },
  reporter: [["list", { printSteps: false }]],
  outputDir: "/tmp/usufruct-page-tests",
  use: {
    viewport: { width: 1100, height: 800 },
    timezoneId: "UTC",
    locale: "en-US",
    launchOptions: { executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
  },
});
