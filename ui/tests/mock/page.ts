// What runs in the browser before the page: the mocked vault, as the test wants it.
import { install, type Start } from "./vault";

declare global {
  interface Window {
    start?: Start;
    mocked?: ReturnType<typeof install>;
  }
}

window.mocked = install(window.start ?? { vault: "open", content: "full", network: true });
