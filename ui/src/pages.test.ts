// The pages, with a vault that answers as the real one does. The real one is in tests/tests/window.rs.
import { flushSync, mount, unmount, type Component } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "./App.svelte";
import Recovery from "./Recovery.svelte";

/** For a busy machine. */
const PATIENCE = { timeout: 10_000 };

type Command = (args: Record<string, unknown>) => unknown;

const WRONG = { code: "locked", message: "the passphrase does not open this vault", hint: "Try again." };
const STATUS = {
  vault_id: "9f3c",
  home: "/home/ada/vault",
  objects: 12,
  bytes: 4096,
  stored_bytes: 2048,
  packs: 1,
  sources: 1,
  records: 48210,
  datasets: 0,
  wallet: "0x71C7",
};

let commands: Record<string, Command>;
let calls: [string, Record<string, unknown>][];
let page: ReturnType<typeof mount> | undefined;

beforeEach(() => {
  calls = [];
  let open = false;
  commands = {
    vault_home: () => "/home/ada/vault",
    vault_exists: () => true,
    vault_status: () => (open ? STATUS : null),
    vault_unlock: ({ passphrase }) => {
      if (passphrase !== "right") throw WRONG;
      open = true;
    },
    vault_lock: () => {
      open = false;
    },
    source_list: () => ({ sources: [{ name: "<img src=x onerror=alert(1)>", kinds: ["note"], records: 48210, files: 1, imported_at: "2026-11-20T12:00:00Z" }] }),
    dataset_list: () => ({ datasets: [] }),
    settings_show: () => ({ auto_lock_minutes: 10, language: "english", theme: "system", device: "auto", notifications: true }),
    passphrase_strength: ({ passphrase }) => ({ score: 2, guesses_log10: 6, long_enough: String(passphrase).length >= 8, weakness: null }),
    network_chosen: () => null,
    task_list: () => ({ tasks: [] }),
    import_preview: () => null,
    "plugin:event|listen": () => 1,
  };
  vi.stubGlobal("__TAURI_INTERNALS__", {
    transformCallback: () => 1,
    invoke: async (name: string, args: Record<string, unknown>) => {
      calls.push([name, args]);
      const command = commands[name];
      if (!command) throw `${name} not allowed`;
      return command(args);
    },
  });
});

afterEach(async () => {
  if (page) await unmount(page);
  page = undefined;
  document.body.replaceChildren();
});

function show(component: Component<any>) {
  page = mount(component, { target: document.body });
}

const query = <T extends Element = HTMLElement>(selector: string) => document.querySelector<T>(selector);

async function see<T extends Element = HTMLElement>(selector: string): Promise<T> {
  return vi.waitFor(() => {
    const found = query<T>(selector);
    if (!found) throw new Error(`no ${selector}`);
    return found;
  }, PATIENCE);
}

async function type(selector: string, value: string) {
  const input = await see<HTMLInputElement>(selector);
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}

async function submit() {
  (await see<HTMLFormElement>("form")).dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
}

const title = (words: string) => vi.waitFor(() => expect(query("h1")?.textContent).toBe(words), PATIENCE);

describe("unlock", () => {
  it("says in words that a passphrase is wrong, and forgets it", async () => {
    show(App);
    await title("Unlock your vault");
    await type("#passphrase", "wrong");
    await submit();
    const note = await see(".note");
    expect(note.textContent).toContain("The vault did not open");
    expect(note.textContent).toContain(WRONG.message);
    expect(note.textContent).toContain(WRONG.hint);
    expect(query<HTMLInputElement>("#passphrase")?.value).toBe("");
  });

  it("asks nothing of the vault for an empty passphrase", async () => {
    show(App);
    await title("Unlock your vault");
    await submit();
    expect((await see("#passphrase-problem")).textContent).toBe("Enter the passphrase.");
    expect(query("#passphrase")?.getAttribute("aria-invalid")).toBe("true");
    expect(calls.some(([name]) => name === "vault_unlock")).toBe(false);
  });

  it("shows what the vault holds, file text as text, and locks on Ctrl+L", async () => {
    show(App);
    await title("Unlock your vault");
    await type("#passphrase", "right");
    await submit();
    expect((await see("[data-figure=records]")).textContent).toBe("48,210");
    expect(query("[data-fact=vault-id]")?.textContent).toBe("9f3c");
    expect(query("tbody th")?.textContent).toBe("<img src=x onerror=alert(1)>");
    expect(query("tbody img")).toBeNull();
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "l", ctrlKey: true }));
    await title("Unlock your vault");
    expect(query("[data-figure]")).toBeNull();
  });

  it("sends the passphrase once", async () => {
    show(App);
    await type("#passphrase", "right");
    await submit();
    await submit();
    await see("[data-figure=records]");
    expect(calls.filter(([, args]) => JSON.stringify(args ?? {}).includes("right"))).toHaveLength(1);
  });
});

describe("create", () => {
  beforeEach(() => {
    commands["vault_exists"] = () => false;
    commands["vault_create"] = () => null;
  });

  it("refuses two passphrases that differ without asking the vault", async () => {
    show(App);
    await title("Create your vault");
    await type("#passphrase", "one long passphrase");
    await type("#again", "another long passphrase");
    await submit();
    expect((await see("#again-problem")).textContent).toBe("The two passphrases differ.");
    expect(calls.some(([name]) => name === "vault_create")).toBe(false);
  });

  it("goes on to the recovery phrase and never asks for it itself", async () => {
    show(App);
    await type("#passphrase", "one long passphrase");
    await type("#again", "one long passphrase");
    await submit();
    await title("Write down your recovery phrase");
    expect(calls.some(([name]) => name.startsWith("recovery"))).toBe(false);
  });

  it("shows a refusal of the vault", async () => {
    commands["vault_create"] = () => {
      throw { code: "usage", message: "a passphrase needs at least 8 characters", hint: null };
    };
    show(App);
    await type("#passphrase", "short");
    await type("#again", "short");
    await submit();
    expect((await see(".note")).textContent).toContain("at least 8 characters");
    expect(query("h1")?.textContent).toBe("Create your vault");
  });
});

describe("a window that may not ask", () => {
  it("says so instead of staying empty", async () => {
    delete commands["vault_home"];
    show(App);
    expect((await see(".note")).textContent).toContain("not allowed");
  });
});

describe("recovery", () => {
  const phrase = Array.from({ length: 24 }, (_, index) => `word${index}`).join(" ");

  beforeEach(() => {
    commands["recovery_phrase"] = () => phrase;
    commands["recovery_places"] = () => [2, 20];
    commands["recovery_check"] = ({ words }) => (words as string[]).join(" ") === "word1 word19";
    commands["recovery_done"] = () => null;
  });

  it("shows the words in order, asks for two of them, and drops them when they are right", async () => {
    show(Recovery);
    await see(".word");
    expect([...document.querySelectorAll(".word")].map((word) => word.textContent).join(" ")).toBe(phrase);
    (await see<HTMLButtonElement>("[data-testid=recovery-places]")).click();
    await type("[data-place='2']", "word1");
    expect(query(".word")).toBeNull();
    await type("[data-place='20']", "word18");
    await submit();
    await vi.waitFor(() => expect(query("#wrong")?.textContent).toContain("not the word"), PATIENCE);
    expect(calls.some(([name]) => name === "recovery_done")).toBe(false);
    await type("[data-place='20']", "word19");
    await submit();
    await vi.waitFor(() => expect(calls.at(-1)?.[0]).toBe("recovery_done"), PATIENCE);
    expect(document.body.textContent).not.toContain("word1");
  });

  it("says that the phrase was shown already", async () => {
    commands["recovery_phrase"] = () => null;
    show(Recovery);
    await title("The phrase was shown already");
  });
});
