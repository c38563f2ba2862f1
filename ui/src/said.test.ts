import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { said } from "./said";
import { BEGINNINGS, SENTENCES } from "./sentences";
import { speak, want } from "./text.svelte";

/** What the vault says, from where it says it; gaps in the shape that Rust writes them in or not. */
const CRATES = ["provenance", "app", "src-tauri", "vault", "compute", "zk"];
const FILES = CRATES.flatMap((crate) => readdirSync(join("..", crate, "src"), { recursive: true, encoding: "utf8" }).map((file) => join(crate, "src", file))).filter((file) => file.endsWith(".rs"));
const read = (file: string) => readFileSync(join("..", file), "utf8").replace(/\\\n\s*/g, "").replace(/\{[A-Za-z0-9_.:?]*\}/g, "{}");
const SOURCES = FILES.map(read).join("\n").replaceAll('\\"', '"');

/** Files whose failures no window shows: of the command line, the consumer's side, other processes, the embedded network, files that this program wrote, and tests. */
const ELSEWHERE = [
  /^app\/src\/(demo|tamper|consent|passphrase|command|main|args|manual)\.rs$/,
  /^app\/src\/job\/(request|fetch|delivery)\.rs$/,
  /^app\/src\/worker\/(inside|import|probe)\.rs$/,
  /^provenance\/src\/(cid|wallet|dagcbor)\.rs$/,
  /^provenance\/src\/(content|terms|chain\/devnet)\//,
  /^provenance\/src\/chain\/(deploy|confirm|client\/(identity|permit))\.rs$/,
  /^provenance\/src\/(chain\/sealed|exchange|content)\.rs$/,
  /^vault\/src\/(sim\/|cipher|measure|object|pack|put|seal|sealing|share|stamps|gc_plan|vault|create|disk|key|error)/,
  /^(compute|zk)\/src\/(?!error\.rs)/,
  /tests\.rs$|\/tests\//,
];

/** The failures that a file can end in, what it says to do, and what an import leaves out. */
function failures(file: string): string[] {
  const source = read(file).split("#[cfg(test)]\nmod tests {")[0]!;
  const code = source.split("\n").filter((line) => !line.trim().startsWith("//")).join("\n").replaceAll('\\"', "\u0001");
  const made = code.matchAll(/(?:Error::\w+|\.hint|#\[error)\(\s*(?:Code::\w+,\s*)?(?:format!\(\s*)?"([^"]*)"/g);
  const leftOut = code.matchAll(/"([^"]*was left out)"/g);
  return [...made, ...leftOut].map(([, words]) => words!.replaceAll("\u0001", '"')).filter((words) => words.split(" ").length >= 3);
}

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

  it("is translated with the sentence that stands in it, where that is known", () => {
    expect(said("damaged: chunk index: a run is cut short. Run a check to see what is affected, and restore it from a backup", "fr").words).toBe(
      "endommagé\u00a0: index\u00a0: une partie est coupée. Une vérification dit ce qui est touché\u00a0; restaurez-le d’une sauvegarde",
    );
    expect(said("its name points outside of the archive; it was left out", "fr").words).toBe("son nom mène hors de l’archive\u00a0; laissé de côté");
    expect(said("something new; it was left out", "fr").words).toBe("something new\u00a0; laissé de côté");
  });

  it("is translated wherever a failure can reach a window", () => {
    const known = new Set(SENTENCES.map(([english]) => english));
    const begins = BEGINNINGS.map(([english]) => `${english}{}`);
    const shown = FILES.filter((file) => !ELSEWHERE.some((elsewhere) => elsewhere.test(file)));
    const all = shown.flatMap((file) => failures(file).map((words) => [file, words] as const));
    expect(all.length).toBeGreaterThan(400);
    expect(all.filter(([, words]) => !known.has(words) && !begins.includes(words))).toEqual([]);
  });

  it("is taken for no other sentence", () => {
    for (const [english, french] of SENTENCES) {
      const sentence = english.replaceAll("{}", "7");
      expect(said(sentence, "fr").words, sentence).toBe(french.replace(/[$§]\d/g, "7"));
    }
  });

  it("is not led astray by what a person wrote into a gap", () => {
    expect(said('The name "$1 $& <b>" and the description.', "fr").words).toBe("Le nom «\u00a0$1 $& <b>\u00a0» et la description.");
  });

  it("fills every gap", () => {
    // One says “a linear head” or “adapters and a linear head”, which is not repeated.
    const dropped = "{} that tell {}";
    for (const [english, french] of SENTENCES) {
      const gaps = english.split("{}").length - (english.startsWith(dropped) ? 2 : 1);
      expect((french.match(/[$§]\d/g) ?? []).length, english).toBe(gaps);
    }
  });
});
