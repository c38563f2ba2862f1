import { describe, expect, it } from "vitest";
import { choose, speak, text, want, type Locale, type Messages } from "../text.svelte";
import * as enFirst from "./en/first";
import * as enMore from "./en/more";
import * as frFirst from "./fr/first";
import * as frMore from "./fr/more";

const languages: Record<Locale, Messages> = { en: { ...enFirst, ...enMore }, fr: { ...frFirst, ...frMore } };

/** Every message of a language by its path, with arguments where it takes some. */
function flat(language: Locale): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (path: string, value: unknown) => {
    if (typeof value === "string") found.set(path, value);
    else if (typeof value === "function") {
      found.set(`${path}(1)`, String(value("1", true, "a", "b")));
      found.set(`${path}(7)`, String(value("7", false, "a", "b")));
    } else for (const [key, inner] of Object.entries(value as object)) walk(`${path}.${key}`, inner);
  };
  walk("", languages[language]);
  return found;
}

/** Words that are the same in both languages. */
const SAME = [
  ".shell.appName",
  ".shell.actions",
  ".home.sources",
  ".home.sourceName",
  ".terms.kinds.note",
  ".terms.kinds.message",
  ".shell.navigation",
  ".datasets.about",
  ".datasets.whichSources",
  ".data.sources",
  ".data.source",
];

describe("messages", () => {
  const en = flat("en");
  const fr = flat("fr");

  it("are all there in both languages and none is empty", () => {
    expect([...fr.keys()].sort()).toEqual([...en.keys()].sort());
    for (const [key, message] of [...en, ...fr]) expect(message.trim(), key).not.toBe("");
  });

  it("are translated, save the words that are the same", () => {
    const untranslated = [...en].filter(([key, message]) => fr.get(key) === message && !SAME.includes(key));
    expect(untranslated).toEqual([]);
  });

  it("follow French typography: a colon comes after a space that does not break", () => {
    for (const [key, message] of fr) expect(message, key).not.toMatch(/[^\u00a0\u202f\d][:;!?](?!\/\/)/);
  });

  it("change when the language does", async () => {
    await speak("fr");
    expect(text.shell.lock).toBe("Verrouiller");
    expect(document.documentElement.lang).toBe("fr");
    await speak("en");
    expect(text.shell.lock).toBe("Lock");
  });

  it("are read as they are wanted, in each language that is spoken", async () => {
    expect(text.home).toBeUndefined();
    await want("more");
    expect(text.home).toBe(enMore.home);
    await speak("fr");
    expect(text.home).toBe(frMore.home);
    await speak("en");
  });

  it("are those of the language that was asked for last", async () => {
    const both = [speak("fr"), speak("en")];
    expect(document.documentElement.lang).toBe("en");
    await Promise.all(both);
    expect(text.shell.lock).toBe("Lock");
  });
});

describe("choose", () => {
  it("takes the first language that there is", () => {
    expect(choose(["de-DE", "fr-CA", "en-US"])).toBe("fr");
    expect(choose(["en-GB", "fr"])).toBe("en");
  });

  it("falls back to English", () => {
    expect(choose([])).toBe("en");
    expect(choose(["de", "x", ""])).toBe("en");
  });
});
