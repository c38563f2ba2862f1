// A page for each window. Everything they need is in dist/.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  build: {
    // WebKitGTK of Debian 12.
    target: "safari17",
    assetsInlineLimit: 0,
    rollupOptions: { input: ["index.html", "recovery.html", "confirm.html"] },
  },
  // Components are tested as they run in a browser, not as a server would render them.
  ...(process.env["VITEST"] ? { resolve: { conditions: ["browser"] } } : {}),
  test: { environment: "happy-dom", include: ["src/**/*.test.ts"], testTimeout: 30_000 },
});
