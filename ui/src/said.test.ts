import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { said } from "./said";
import { BEGINNINGS, SENTENCES } from "./sentences";
import { speak, want } from "./text.svelte";

/** What the vault says, from where it says it; gaps in the shape that Rust writes them in or not. */
const CRATES = ["../provenance/src", "../app/src", "../src-tauri/src", "../vault/src"];
const SOURCES = CRATES.flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)))
  .filter((file) => file.endsWith(".rs"))
  .map((file) => readFileSync(file, "utf8"))
  .join("\n")
  .replace(/\{[A-Za-z0-9_.:?]*\}/g, "{}")
  .replaceAll('\\"', '"')
  .replace(/\\\n\s*/g, "");

describe("what the vault says", () => {
  beforeAll(async () => {
    expect(said("Nothing was imported.", "fr"), "before the French is read").toEqual({ words: "Nothing was imported.", language: "en" });
    await speak("fr");
    await want("said");
  });

  it.each([...SENTENCES, ...BEGINNINGS])("is still said as translated: %s", (english) => expect(SOURCES).toContain(english));

  it("is translated with what stands in its gaps", () => {
    expect(said("That it has 1248 records, of kind mail, note.", "fr")).toEqual({ words: "Qu’il a 1248 enregistrements, de type mail, note.", language: "fr" });
    expect(said("the terms and the price (2.5 USU a run), signed by 0x71C7", "fr").words).toBe("les conditions et le prix (2.5 USU par exécution), signés par 0x71C7");
  });

  it("stays as it is where it is not known, and says so", () => {
    expect(said("something new", "fr")).toEqual({ words: "something new", language: "en" });
    expect(said("no text, no fields, no logs, no timings", "en").language).toBe("en");
    expect(said("no text, no fields, no logs, no timings!", "fr").language).toBe("en");
  });

  it("is translated behind a word that says what kind of failure it is", () => {
    expect(said("not found: no vault in /home/ada", "fr")).toEqual({ words: "introuvable\u00a0: aucun coffre dans /home/ada", language: "fr" });
    expect(said("not found: something new", "fr")).toEqual({ words: "not found: something new", language: "en" });
    expect(said("not found: no vault in /home/ada", "en").language).toBe("en");
  });

  it("is not led astray by what a person wrote into a gap", () => {
    expect(said('The name "$1 $& <b>" and the description.', "fr").words).toBe("Le nom «\u00a0$1 $& <b>\u00a0» et la description.");
  });

  it("fills every gap", () => {
    // One says “a linear head” or “adapters and a linear head”, which is not repeated.
    const dropped = "{} that tell {}";
    for (const [english, french] of SENTENCES) {
      const gaps = english.split("{}").length - (english.startsWith(dropped) ? 2 : 1);
      expect((french.match(/\$\d/g) ?? []).length, english).toBe(gaps);
    }
  });
});
