// Serves the built page with the very content policy of the real window, so that whatever the policy forbids fails here too.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { build } from "vite";

const ROOT = join(import.meta.dirname, "..");
const TYPES: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml" };

async function policy(): Promise<string> {
  const config = JSON.parse(await readFile(join(ROOT, "../src-tauri/tauri.conf.json"), "utf8"));
  const csp: Record<string, string> = config.app.security.csp;
  return Object.entries(csp)
    .map(([directive, sources]) => `${directive} ${sources}`)
    .join("; ");
}

/** Serves `dist` on a free port of this machine; where, and how to stop it. */
export async function serve(): Promise<{ url: string; close: () => void }> {
  const csp = await policy();
  const server = createServer(async (request, response) => {
    if (request.url === "/favicon.ico") return void response.writeHead(204).end();
    const path = normalize(new URL(request.url ?? "/", "http://page").pathname);
    try {
      const body = await readFile(join(ROOT, "dist", path === "/" ? "index.html" : path));
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/html", "content-security-policy": csp });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { url: `http://127.0.0.1:${address.port}`, close: () => server.close() };
}

/** The mocked vault as one script. */
export async function mockScript(): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "error",
    build: { write: false, minify: false, target: "es2022", lib: { entry: join(import.meta.dirname, "mock/page.ts"), formats: ["iife"], name: "mock" } },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (!output || !("output" in output)) throw new Error("the mock was not built");
  return output.output[0].code;
}
