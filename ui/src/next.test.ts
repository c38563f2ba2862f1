import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Job } from "./bindings";
import { due, runs, settles, waits } from "./next";

const job = (state: string, next: string, proof_ms: number | null = null) => ({ state, next, proof_ms }) as Job;

describe("whose turn it is", () => {
  it.each([
    ["requested", "`job approve` or `job decline`, until 2026", null, "waits"],
    ["requested", "the owner approves and runs it, until 2026", null, ""],
    ["requested", "the owner did not run it in time: `job refund` returns the price", null, ""],
    ["approved", "`job run`, until 2026", null, "runs"],
    ["committed", "`job run` again draws the challenge", null, "runs"],
    ["committed", "the owner draws the challenge", null, ""],
    ["drawn", "the buyer accepts it; after 2026 silence counts as acceptance", 1500, ""],
    ["drawn", "the buyer accepts it; after 2026 silence counts as acceptance", null, "runs"],
    ["drawn", "`job accept` or `job reject`, until 2026", null, ""],
    ["drawn", "`job settle`, until 2026", 1500, "settles"],
    ["accepted", "the owner settles it, until 2026", null, ""],
    ["accepted", "it was not settled in time: `job refund` returns the price", null, ""],
    ["settled", "`reward claim` withdraws what was earned", 1500, ""],
  ])("%s, %s (proof: %s): %s", (state, next, proof, turn) => {
    const one = job(state, next, proof);
    expect({ waits: waits(one), runs: runs(one), settles: settles(one) }).toEqual({ waits: turn === "waits", runs: turn === "runs", settles: turn === "settles" });
  });

  it.each([
    ["`job approve` or `job decline`, until 2026", "decide"],
    ["`job run`, until 2026", "run"],
    ["`job run` again draws the challenge", "run"],
    ["the buyer accepts it; after 2026 silence counts as acceptance", "buyer"],
    ["`job settle`, until 2026", "settle"],
    ["something new", "other"],
  ])("%s: what is due is to %s", (next, what) => expect(due(next)).toBe(what));

  it("is read from sentences that the vault still says", () => {
    const source = readFileSync("../app/src/job/mod.rs", "utf8");
    for (const words of ["`job approve` or `job decline`", "`job run`, until", "`job run` again", "`job settle`, until", "the buyer accepts it;"]) {
      expect(source).toContain(words);
    }
  });
});
