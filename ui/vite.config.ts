// One page for each window; each is an .html file here. Everything they need is in dist/.
import { readdirSync } from "node:fs";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  build: {
    // WebKitGTK of Debian 12.
    target: "safari18",
    assetsInlineLimit: 0,
    rollupOptions: { input: readdirSync(".").filter((name) => name.endsWith(".html")) },
  },
  // Components are tested as they run in a browser, not as a server would render them.
  ...(process.env["VITEST"] ? { resolve: { conditions: ["browser"] } } : {}),
  test: { environment: "happy-dom", include: ["src/**/*.test.ts"], testTimeout: 30_000 },
});
