import { describe, expect, it } from "vitest";
import { choose, languages, type Messages } from "./text";

const render = (messages: Messages): [string, string][] =>
  Object.entries(messages).map(([key, message]) => [key, typeof message === "function" ? message("7", false) : message]);

describe("messages", () => {
  it("are all there in every language and none is empty", () => {
    for (const messages of Object.values(languages)) {
      expect(Object.keys(messages).sort()).toEqual(Object.keys(languages.en).sort());
      for (const [key, message] of render(messages)) expect(message.trim(), key).not.toBe("");
    }
  });

  it("are translated, save the words that are the same", () => {
    const same = ["appName", "lockShortcut", "sources", "sourceName"];
    const french = new Map(render(languages.fr));
    for (const [key, message] of render(languages.en)) {
      if (!same.includes(key)) expect(french.get(key), key).not.toBe(message);
    }
  });

  it("follow French typography: a colon comes after a space that does not break", () => {
    for (const [key, message] of render(languages.fr)) expect(message, key).not.toMatch(/[^\u00a0\u202f][:;!?]/);
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
